"""Responses that were stored: read again, listed, deleted; each by its own team alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.api.body import unsupported
from gateway.errors import NotFound

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
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """What a response answered."""
    items = (await gateway.conversations.one(caller.team, name)).items
    if order == "desc":
        items = items[::-1]
    if after is not None:
        names = [item["id"] for item in items]
        if after not in names:
            raise NotFound(f"There is no item '{after}'.", param="after")
        items = items[names.index(after) + 1 :]
    page = items[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }
