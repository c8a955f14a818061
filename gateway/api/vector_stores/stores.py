"""Stores themselves: made, listed, changed, searched, deleted."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.api.paging import Limit, Order, page
from gateway.api.vector_stores import shapes
from gateway.filing.types import VectorStore
from gateway.pipeline import Gateway

router = APIRouter(prefix="/v1/vector_stores", tags=["openai"])


@router.post("")
async def make(
    wanted: shapes.NewStore, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Make a store. Its files are brought in afterwards; its status says when that is done."""
    shelves = gateway.shelves
    chunking = shapes.chunking(wanted.chunking_strategy)
    files = [await gateway.files.one(caller.team, name) for name in wanted.file_ids]
    kept = await shelves.stores.add(
        caller.team,
        wanted.name,
        wanted.description,
        wanted.metadata or {},
        chunking,
        wanted.expires_after.days if wanted.expires_after else None,
    )
    if files:
        await shelves.attach(kept, [(file, {}, chunking) for file in files])
    return await _told(gateway, kept)


@router.get("")
async def listed(
    gateway: CurrentGateway,
    caller: CurrentCaller,
    limit: Limit = 20,
    order: Order = "desc",
    after: str | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """The team's stores."""
    told = {
        one.id: await _told(gateway, one) for one in await gateway.shelves.stores.all(caller.team)
    }
    return page(list(told), told.__getitem__, limit, order, after, before)


@router.get("/{name}")
async def one(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """One of them."""
    return await _told(gateway, await gateway.shelves.stores.one(caller.team, name))


@router.post("/{name}")
async def change(
    name: str, wanted: shapes.ChangedStore, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Give it another name, other metadata or another time to live."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    if "name" in wanted.model_fields_set:
        kept = replace(kept, name=wanted.name or "")
    if "metadata" in wanted.model_fields_set:
        kept = replace(kept, metadata=wanted.metadata or {})
    if "expires_after" in wanted.model_fields_set:
        days = wanted.expires_after.days if wanted.expires_after else None
        kept = replace(kept, expires_days=days)
    await gateway.shelves.stores.change(kept)
    return await _told(gateway, kept)


@router.delete("/{name}")
async def delete(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """Drop it with all that is in it; the files themselves stay."""
    kept = await gateway.shelves.stores.one(caller.team, name, removing=True)
    await gateway.shelves.drop(kept)
    return {"id": name, "object": "vector_store.deleted", "deleted": True}


async def _told(gateway: Gateway, kept: VectorStore) -> dict[str, Any]:
    return shapes.store(kept, await gateway.shelves.stores.files(kept.id), time.time())
