"""/control/search and /control/sample: for commands while a gateway holds the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from gateway.api.access import CurrentGateway
from gateway.api.control import local
from gateway.errors import InvalidRequest, SourcesUnavailable
from gateway.pipeline import Gateway
from retrieval.types import BadFilter, RetrievalError

if TYPE_CHECKING:
    from gateway.searching import Finder


router = APIRouter(prefix="/control", include_in_schema=False, dependencies=[Depends(local)])


class SearchRequest(BaseModel):
    """A question as a command sends it."""

    model_config = ConfigDict(extra="forbid")

    question: str
    collection: str
    top_k: int | None = None
    where: str | Mapping[str, Any] | None = None


class SampleRequest(BaseModel):
    """How many passages to take at random."""

    model_config = ConfigDict(extra="forbid")

    collection: str
    many: int


@router.post("/search")
async def control_search(work: SearchRequest, gateway: CurrentGateway) -> dict[str, Any]:
    """What the question finds, and how."""
    from gateway.searching import Searching, as_dict

    try:
        return as_dict(await _finder(gateway).found(Searching(**work.model_dump())))
    except BadFilter as error:
        raise InvalidRequest(str(error), param="where") from error
    except RetrievalError as error:
        raise SourcesUnavailable(str(error)) from error


@router.post("/sample")
async def control_sample(work: SampleRequest, gateway: CurrentGateway) -> dict[str, Any]:
    """Passages to make questions of."""
    try:
        sampled = await _finder(gateway).sample(work.collection, work.many)
    except RetrievalError as error:
        raise SourcesUnavailable(str(error)) from error
    return {"passages": [asdict(one) for one in sampled]}


def _finder(gateway: Gateway) -> Finder:
    from gateway.searching import Finder

    library = gateway.library
    return Finder(library.indexes, gateway.encoder, library.retriever, gateway.expanding)
