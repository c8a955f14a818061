"""/control/cache/…: what `moorline cache` asks of a running gateway."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from cache.types import CacheDown
from gateway.api.access import CurrentGateway
from gateway.api.control import local
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import Ask

router = APIRouter(prefix="/control/cache", include_in_schema=False, dependencies=[Depends(local)])


class Purge(BaseModel):
    """What is to be forgotten; everything where nothing is said."""

    model_config = ConfigDict(extra="forbid")

    document: str | None = None
    collection: str | None = None
    key: str | None = None


class Explain(BaseModel):
    """A question, and whose it is."""

    model_config = ConfigDict(extra="forbid")

    question: str
    collection: str | None = None
    model: str = "auto"
    caller: str | None = None


@router.post("/stats")
async def control_stats(gateway: CurrentGateway) -> dict[str, Any]:
    try:
        return asdict(await gateway.known.cache.stats())
    except CacheDown as error:
        raise GatewayError(str(error)) from error


@router.post("/purge")
async def control_purge(work: Purge, gateway: CurrentGateway) -> dict[str, Any]:
    try:
        return {"purged": await gateway.known.cache.purge(**work.model_dump())}
    except CacheDown as error:
        raise GatewayError(str(error)) from error


@router.post("/explain")
async def control_explain(work: Explain, gateway: CurrentGateway) -> dict[str, Any]:
    from gateway.caching import explained  # numpy: not for the door's start

    if work.caller is None:
        caller = gateway.accounts.identify(gateway.accounts.operator)
    elif (held := gateway.accounts.holder(work.caller)) is not None:
        caller = held
    else:
        raise InvalidRequest(f"There is no good key with the id '{work.caller}'.", param="caller")
    messages = ({"role": "user", "content": work.question},)
    ask = Ask(work.model, messages, work.question, collection=work.collection)
    return asdict(await explained(gateway, caller, ask))
