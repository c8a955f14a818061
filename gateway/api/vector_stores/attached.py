"""Files in stores, one by one and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.api.paging import Limit, Order, page
from gateway.api.vector_stores import shapes
from gateway.filing.types import Attached, VectorStore
from gateway.pipeline import Gateway
from gateway.types import Caller

router = APIRouter(prefix="/v1/vector_stores/{name}", tags=["openai"])
Filter = Literal["in_progress", "completed", "failed", "cancelled"]


@router.post("/files")
async def attach(
    name: str, wanted: shapes.NewAttached, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Put a file into a store. It is brought in afterwards; its status says when that is done."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    (told,), _ = await _attached(gateway, caller, kept, [wanted])
    return shapes.attached(told)


@router.get("/files")
async def files(
    name: str,
    gateway: CurrentGateway,
    caller: CurrentCaller,
    limit: Limit = 20,
    order: Order = "desc",
    after: str | None = None,
    before: str | None = None,
    filter: Filter | None = None,  # noqa: A002 - the parameter's name is OpenAI's
) -> dict[str, Any]:
    """The files of a store."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    found = await gateway.shelves.stores.files(kept.id)
    return _page(found, filter, limit, order, after, before)


@router.get("/files/{file}")
async def one(
    name: str, file: str, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """One of them."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    return shapes.attached(await gateway.shelves.stores.attached(kept, file))


@router.post("/files/{file}")
async def describe(
    name: str,
    file: str,
    wanted: shapes.ChangedAttached,
    gateway: CurrentGateway,
    caller: CurrentCaller,
) -> dict[str, Any]:
    """Give a file other attributes, by which searches filter."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    known = await gateway.shelves.stores.attached(kept, file)
    return shapes.attached(await gateway.shelves.describe(known, wanted.attributes or {}))


@router.get("/files/{file}/content")
async def content(
    name: str, file: str, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """What was read of it, passage by passage."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    known = await gateway.shelves.stores.attached(kept, file)
    passages = await gateway.shelves.passages(known)
    data = [{"type": "text", "text": passage.text} for passage in passages]
    return {
        "object": "vector_store.file_content.page",
        "data": data,
        "has_more": False,
        "next_page": None,
    }


@router.delete("/files/{file}")
async def detach(
    name: str, file: str, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Take a file out of a store; the file itself stays."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    known = await gateway.shelves.stores.attached(kept, file, removing=True)
    await gateway.shelves.detach(known)
    return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


@router.post("/file_batches")
async def attach_many(
    name: str, wanted: shapes.NewBatch, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Put files into a store together."""
    kept = await gateway.shelves.stores.one(caller.team, name)
    files, batch = await _attached(gateway, caller, kept, wanted.each(), batched=True)
    assert batch is not None
    return shapes.batch(batch, files)


@router.get("/file_batches/{batch}")
async def many(
    name: str, batch: str, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """How far a batch is."""
    stores = gateway.shelves.stores
    known = await stores.batch(await stores.one(caller.team, name), batch)
    return shapes.batch(known, await stores.files(known.store, known.id))


@router.post("/file_batches/{batch}/cancel")
async def cancel(
    name: str, batch: str, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Leave out what has not been brought in yet."""
    stores = gateway.shelves.stores
    kept = await stores.one(caller.team, name)
    await stores.cancel(await stores.batch(kept, batch))
    known = await stores.batch(kept, batch)
    return shapes.batch(known, await stores.files(known.store, known.id))


@router.get("/file_batches/{batch}/files")
async def files_of_batch(
    name: str,
    batch: str,
    gateway: CurrentGateway,
    caller: CurrentCaller,
    limit: Limit = 20,
    order: Order = "desc",
    after: str | None = None,
    before: str | None = None,
    filter: Filter | None = None,  # noqa: A002 - the parameter's name is OpenAI's
) -> dict[str, Any]:
    """The files of a batch."""
    stores = gateway.shelves.stores
    known = await stores.batch(await stores.one(caller.team, name), batch)
    found = await stores.files(known.store, known.id)
    return _page(found, filter, limit, order, after, before)


async def _attached(
    gateway: Gateway,
    caller: Caller,
    kept: VectorStore,
    wanted: Sequence[shapes.NewAttached],
    batched: bool = False,
) -> Any:
    files = [
        (
            await gateway.files.one(caller.team, each.file_id),
            each.attributes or {},
            shapes.chunking(each.chunking_strategy),
        )
        for each in wanted
    ]
    return await gateway.shelves.attach(kept, files, batched)


def _page(
    found: Sequence[Attached],
    status: Filter | None,
    limit: int,
    order: Order,
    after: str | None,
    before: str | None,
) -> dict[str, Any]:
    chosen = [each for each in found if status is None or each.status == status]
    return page(chosen, shapes.attached, limit, order, after, before)
