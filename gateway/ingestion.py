"""What is in the collections and how it gets there, for commands and a running gateway alike.

What a change retires, the answer cache forgets before anybody hears that the change is made. What
reads documents is imported with the first of them, in a thread: many gateways never see one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.control import Work
from gateway.pipeline import Gateway
from retrieval.config import RetrievalConfig
from retrieval.ingestion.events import Event, Report, as_dicts
from retrieval.metadata import given
from retrieval.types import (
    Encoder,
    Index,
    Indexes,
    Metadata,
    Recorded,
    RetrievalError,
    versioned,
)

if TYPE_CHECKING:
    from retrieval.ingestion.engines.types import Engines
    from retrieval.ingestion.ingestor import Ingestor
    from retrieval.sources.types import Item, Source

Forget = Callable[[Sequence[str]], Awaitable[None]]


async def _nobody(retired: Sequence[str]) -> None:
    """Where no answers are kept, or each is kept under a generation that is over now anyway."""


@dataclass(frozen=True, slots=True)
class Collections:
    """All collections, to be changed. Raises RetrievalError."""

    indexes: Indexes
    encoder: Encoder
    config: RetrievalConfig
    forget: Forget = _nobody

    async def names(self) -> list[str]:
        return await self.indexes.names()

    async def documents(self, collection: str) -> dict[str, Recorded]:
        """What is live in it, by source. Raises NoCollection."""
        return await (await self._there(collection)).documents()

    async def drop(self, collection: str) -> int:
        """Remove it whole; how many documents that were. Raises NoCollection."""
        held = await self.documents(collection)
        await self.indexes.drop(collection)
        await self.forget([versioned(name, known.version) for name, known in held.items()])
        return len(held)

    async def remove(self, collection: str, sources: Sequence[str]) -> Report:
        """Remove these documents. Raises NoCollection."""
        ingestor = await self._ingestor(await self._there(collection), collection, {})
        return await self._forgotten(await ingestor.remove(sources))

    async def bring(self, collection: str, items: Sequence[Item], meta: Metadata) -> Report:
        """Bring in what is at hand; the collection is made where it is new."""
        ingestor = await self._ingestor(await self.made(collection), collection, meta)
        from retrieval.ingestion.ingestor import AtHand  # which is there by now

        return await self._forgotten(await ingestor.ingest(AtHand(items)))

    async def ingest(self, work: Work, engines: Engines | None = None) -> AsyncGenerator[Event]:
        """Progress, and the report at last; the collection is made where it is new.

        `engines`: what does the work, this process where nothing else is given."""
        meta = given(work.meta)
        index = await self.made(work.collection)
        ingestor = await self._ingestor(index, work.collection, meta, engines)
        held = await asyncio.to_thread(self._source, work.targets)
        events = ingestor.events(held, prune=work.prune, remove=work.remove)
        async with aclosing(events):
            async for event in events:
                yield await self._forgotten(event) if isinstance(event, Report) else event

    async def _ingestor(
        self, index: Index, collection: str, meta: Metadata, engines: Engines | None = None
    ) -> Ingestor:
        def made() -> Ingestor:
            from guardrails.planted import VERSION, planted
            from retrieval.ingestion.ingestor import Ingestor

            config = self.config.of(collection)
            return Ingestor(index, self.encoder, config, meta, planted, str(VERSION), engines)

        return await asyncio.to_thread(made)

    def _source(self, targets: Sequence[str]) -> Source:
        from retrieval.sources.targets import source

        return source(targets, self.config.sources)

    async def made(self, collection: str) -> Index:
        """The collection, which need not have been there."""
        index = await self.indexes.open(collection, create=True)
        if index is None:
            raise RetrievalError(f"The collection '{collection}' cannot be made.")
        return index

    async def _there(self, collection: str) -> Index:
        index = await self.indexes.open(collection)
        if index is None:
            raise NoCollection(f"There is no collection '{collection}'.")
        return index

    async def _forgotten(self, report: Report) -> Report:
        await self.forget(report.retired)
        return report


class NoCollection(RetrievalError):
    """No such collection has been ingested."""


def of(gateway: Gateway) -> Collections:
    """Those of a running gateway."""
    library, config = gateway.library, gateway.config.retrieval
    return Collections(library.indexes, gateway.encoder, config, gateway.known.forget)


def ingest(
    gateway: Gateway, targets: Sequence[Any], collection: str, prune: bool = False
) -> AsyncGenerator[dict[str, Any]]:
    """Bring paths or URLs into a collection; yields progress and, last, the report or an error."""
    work = Work(tuple(str(target) for target in targets), collection, prune)
    return as_dicts(of(gateway).ingest(work))
