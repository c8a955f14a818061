"""Responses that were stored: read again, listed, deleted; each by its own team alone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.api.body import unsupported
from gateway.api.paging import Limit, Order, page

router = APIRouter(prefix="/v1/responses", tags=["openai"])


@router.get("/{name}")
async def stored(
    name: str, gateway: CurrentGateway, caller: CurrentCaller, stream: bool = False
) -> dict[str, Any]:
    """A response as it was told."""
    if stream:
        raise unsupported("stream", "a stored response is read as a whole.")
    return (await gateway.conversations.one(caller.team, name)).response


@router.delete("/{name}")
async def deleted(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """Forget a response. What continued it cannot be continued any more."""
    await gateway.conversations.forget(caller.team, name)
    return {"id": name, "object": "response", "deleted": True}


@router.get("/{name}/input_items")
async def input_items(
    name: str,
    gateway: CurrentGateway,
    caller: CurrentCaller,
    limit: Limit = 20,
    order: Order = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """What a response answered."""
    items = (await gateway.conversations.one(caller.team, name)).items
    return page(items, dict, limit, order, after)
