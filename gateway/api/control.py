"""/control/…: work that commands on this machine hand over, see gateway/control.py.

Every answer is JSON lines, since an ingestion tells how it goes and a list may be long.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from gateway.api.access import CurrentGateway
from gateway.control import Work
from gateway.errors import SourcesUnavailable, Unauthorized, UnknownCollection
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from gateway.ingestion import Collections


def local(request: Request) -> None:
    """Refuses whoever does not have the token that lies in the data folder."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    expected: str = getattr(request.app.state, "control_token", "")
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unauthorized("This is for commands on the same machine.")


router = APIRouter(prefix="/control", include_in_schema=False, dependencies=[Depends(local)])


class Ingest(BaseModel):
    """Work as a command sends it."""

    model_config = ConfigDict(extra="forbid")

    targets: tuple[str, ...]
    collection: str
    prune: bool = False
    meta: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class Remove(BaseModel):
    """Documents to be removed."""

    model_config = ConfigDict(extra="forbid")

    sources: list[str]


@contextmanager
def collections(gateway: CurrentGateway) -> Iterator[Collections]:
    """Those of the gateway; what they refuse becomes an answer in the usual form."""
    from gateway.ingestion import NoCollection, of  # parsers, numpy: not for the door's start

    try:
        yield of(gateway)
    except NoCollection as error:
        raise UnknownCollection(str(error)) from error
    except RetrievalError as error:
        raise SourcesUnavailable(str(error)) from error


@router.post("/ingest")
async def control_ingest(work: Ingest, gateway: CurrentGateway) -> StreamingResponse:
    """Ingest, and tell how it goes; an error is the last of the events."""
    from gateway.ingestion import of
    from retrieval.ingestion.events import as_dicts

    return _lines(as_dicts(of(gateway).ingest(Work(**work.model_dump()))))


@router.get("/collections")
async def control_collections(gateway: CurrentGateway) -> StreamingResponse:
    with collections(gateway) as held:
        return _lines({"name": name} for name in await held.names())


@router.delete("/collections/{collection}")
async def control_drop(collection: str, gateway: CurrentGateway) -> StreamingResponse:
    with collections(gateway) as held:
        return _lines([{"documents": await held.drop(collection)}])


@router.get("/collections/{collection}/documents")
async def control_documents(collection: str, gateway: CurrentGateway) -> StreamingResponse:
    with collections(gateway) as held:
        found = await held.documents(collection)
    return _lines({"source": source, **asdict(known)} for source, known in found.items())


@router.post("/collections/{collection}/remove")
async def control_remove(
    collection: str, work: Remove, gateway: CurrentGateway
) -> StreamingResponse:
    from retrieval.ingestion.events import to_dict

    with collections(gateway) as held:
        return _lines([to_dict(await held.remove(collection, work.sources))])


def _lines(
    told: Iterable[dict[str, Any]] | AsyncIterable[dict[str, Any]],
) -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        if isinstance(told, AsyncIterable):
            async for each in told:
                yield orjson.dumps(each) + b"\n"
        else:
            for each in told:
                yield orjson.dumps(each) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
