"""Ingestion inside a running gateway: what it retires, the answer cache forgets at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from gateway.pipeline import Gateway
from retrieval.ingest import Event, Ingestor, Report, as_dicts
from retrieval.types import RetrievalError


def ingest(
    gateway: Gateway, paths: Sequence[Path], collection: str, prune: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """Bring files into a collection; yields progress and, last, the report or an error."""
    return as_dicts(_events(gateway, paths, collection, prune))


async def _events(
    gateway: Gateway, paths: Sequence[Path], collection: str, prune: bool
) -> AsyncGenerator[Event, None]:
    index = await gateway.library.opened(collection)
    if index is None:
        raise RetrievalError(f"The collection '{collection}' cannot be made.")
    ingestor = Ingestor(index, gateway.encoder, gateway.config.retrieval)
    async with aclosing(ingestor.events(paths, prune=prune)) as events:
        async for event in events:
            if isinstance(event, Report):
                await gateway.known.forget(event.retired)
            yield event
