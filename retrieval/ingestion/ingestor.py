"""Keeps a collection equal to a source: what is new or changed comes in, in groups that become
visible whole.

    list → read, split → embed → write

Each stage works while the others do, a bounded way ahead: memory does not grow with the source. It
does not know where items lie, where the index lives, what machine reads and embeds, nor who asks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from retrieval.config import RetrievalConfig
from retrieval.ingestion.embedding import Embedder, assembled
from retrieval.ingestion.engines.local import local
from retrieval.ingestion.engines.types import Ahead, Engine, Engines, job
from retrieval.ingestion.events import Event, Progress, Report
from retrieval.ingestion.listing import BATCHES, listed
from retrieval.ingestion.reading import Reader, Same, Scan, Text
from retrieval.ingestion.tally import Tally
from retrieval.parsing.draft import Unreadable
from retrieval.sources.types import BadSource, Item, Listing, Source
from retrieval.types import Embedded, Encoder, Index, Metadata, Vector

_UNKNOWN_SIZE = 1_000_000
_GROUP_DOCUMENTS = 64
_GROUP_PASSAGES = 512

_writing: WeakKeyDictionary[Index, asyncio.Lock] = WeakKeyDictionary()
WAITING = "Another ingestion into this collection is under way; waiting for its end."


class Ingestor:
    """Brings what a source holds into one collection."""

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        config: RetrievalConfig,
        meta: Metadata | None = None,
        scan: Scan | None = None,
        scanner: str = "",
        engines: Engines | None = None,
    ) -> None:
        """`config` is the collection's own. `meta` is said of every document; `scanner` names
        what `scan` would find, so that another one means reading again. `engines`: what does the
        work, this process where nothing else is given."""
        self._index = index
        self._tokens = config.token_vectors
        self._job = job(config, meta or {}, scan, scanner)
        self._reader = self._job.reader(encoder)
        self._engines = engines or local(encoder)

    async def ingest(
        self,
        source: Source,
        *,
        prune: bool = False,
        remove: Collection[str] = (),
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Report:
        """Add and replace; remove the sources named and, with `prune`, all that the source does
        not hold. Raises BadSource and RetrievalError.

        What cannot be read is reported and its earlier version kept. Cancelled at any moment, the
        index holds whole documents, and the next run goes on from there."""
        turn = _writing.setdefault(self._index, asyncio.Lock())
        if turn.locked():
            progress(Progress(0, 0, 0, 0, 0, 0.0, listed=False, notice=WAITING))
        async with turn:
            tally = Tally(await self._index.documents(), progress)
            async with self._engines(self._job, self._reader, tally.say) as engine:
                run = _Run(self._index, engine, self._reader, tally, self._tokens)
                return await run.ingest(source, prune, remove)

    async def remove(self, sources: Collection[str]) -> Report:
        """Take these documents out; names that are not there are none of its business."""
        return await self.ingest(AtHand(()), remove=sources)

    async def events(
        self, source: Source, *, prune: bool = False, remove: Collection[str] = ()
    ) -> AsyncGenerator[Event]:
        """`ingest` as a stream: progress, and the report at last. Closing it cancels the work."""
        told: asyncio.Queue[Progress | None] = asyncio.Queue()
        work = asyncio.create_task(
            self.ingest(source, prune=prune, remove=remove, progress=told.put_nowait)
        )
        work.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (event := await told.get()) is not None:
                yield event
            yield await work
        finally:
            work.cancel()
            await asyncio.wait({work})


@dataclass(frozen=True, slots=True)
class AtHand:
    """A source of items that somebody has."""

    held: Sequence[Item]

    def items(self, listing: Listing) -> Sequence[Item]:
        return self.held


class _Run:
    """One ingestion, from its first item to its report."""

    def __init__(
        self, index: Index, engine: Engine, reader: Reader, tally: Tally, tokens: bool
    ) -> None:
        self._index = index
        self._tokens = tokens  # whether they have vectors of their own
        self._engine = engine
        self._reader = reader
        self._tally = tally
        self._embedder = Embedder(engine)
        self._listing = Listing()
        self._seen: set[str] = set()
        """Only where something may be taken out: there may be millions."""
        self._found = False
        self._taking_out = False
        self._by_version = {known.version: source for source, known in tally.live.items()}

    async def ingest(self, source: Source, prune: bool, remove: Collection[str]) -> Report:
        self._taking_out = prune or bool(remove)
        self._tally.tell()
        await self._bring_in(source)
        for failure in self._listing.unlisted:
            self._tally.fail(*failure)
        await self._take_out(remove, prune)
        self._tally.tell()
        return self._tally.report(self._listing)

    async def _bring_in(self, source: Source) -> None:
        """All stages at once. A write that has begun is brought to its end, whatever happens:
        nobody closes the index under it."""
        embedding: deque[asyncio.Task[list[Embedded]]] = deque()
        writing: asyncio.Task[None] | None = None

        async def write_first() -> None:
            nonlocal writing
            embedded = await embedding[0]
            embedding.popleft()
            if writing:
                await writing
            writing = asyncio.create_task(self._write(embedded))

        try:
            async with aclosing(self._groups(source)) as groups:
                async for group in groups:
                    if len(embedding) >= self._engine.ahead.groups:
                        await write_first()
                    average = await self._average_length(group)
                    embedding.append(asyncio.create_task(self._embedded(group, average)))
            while embedding:
                await write_first()
            if writing:
                await writing
        finally:
            for task in embedding:
                task.cancel()
            if unfinished := {*embedding, *([writing] if writing else [])}:
                await asyncio.wait(unfinished)

    async def _groups(self, source: Source) -> AsyncGenerator[list[Text]]:
        """Texts that are embedded and become visible together."""
        group: list[Text] = []
        passages = 0
        async with aclosing(self._texts(source)) as texts:
            async for text in texts:
                many = passages + len(text.passages) > _GROUP_PASSAGES
                if group and (many or len(group) == _GROUP_DOCUMENTS):
                    yield group
                    group, passages = [], 0
                group.append(text)
                passages += len(text.passages)
        if group:
            yield group

    async def _texts(self, source: Source) -> AsyncGenerator[Text]:
        """What is new or changed, in the order of the items, read a bit ahead."""
        waiting: deque[_Reading] = deque()

        async def first() -> Text | None:
            text = await self._outcome(waiting[0])
            waiting.popleft()
            return text

        try:
            async with aclosing(self._items(source)) as items:
                async for item in items:
                    self._found = True
                    if self._taking_out:
                        self._seen.add(item.source)
                    known = self._tally.live.get(item.source)
                    if self._reader.knows(item, known):
                        self._tally.sized(item, 0)
                        self._tally.keep(item.size)
                        continue
                    while waiting and _too_far(waiting, item, self._engine.ahead):
                        if text := await first():
                            yield text
                    read = asyncio.ensure_future(self._engine.read(item, known))
                    waiting.append(_Reading(item, known is not None, read))
            while waiting:
                if text := await first():
                    yield text
        finally:
            for reading in waiting:
                reading.read.cancel()
            await asyncio.gather(*(one.read for one in waiting), return_exceptions=True)

    async def _outcome(self, reading: _Reading) -> Text | None:
        item = reading.item
        try:
            read = await reading.read
        except Unreadable as error:
            kept = "; the version read before is kept" * reading.known
            self._tally.sized(item, 0)
            self._tally.fail(item.shown or item.source, error.reason + kept, item.size)
            return None
        self._tally.sized(item, read.size)
        if isinstance(read, Same):
            self._tally.keep(read.size)
            return None
        return read

    async def _items(self, source: Source) -> AsyncGenerator[Item]:
        """The items, while more of them are being listed."""
        batches: asyncio.Queue[Sequence[Item] | None] = asyncio.Queue(BATCHES)
        listing = asyncio.create_task(self._list(source, batches))
        try:
            while (batch := await batches.get()) is not None:
                for item in batch:
                    yield item
                await asyncio.sleep(0)  # thousands that are known take no step that would wait
            await listing
        finally:
            listing.cancel()
            await asyncio.wait({listing})

    async def _list(self, source: Source, batches: asyncio.Queue[Sequence[Item] | None]) -> None:
        try:
            async with aclosing(listed(source, self._listing)) as found:
                async for batch in found:
                    self._tally.expect(batch)
                    await batches.put(batch)
        except Exception:
            await batches.put(None)  # whoever waits for a batch learns of the error afterwards
            raise
        self._tally.listed = True
        await batches.put(None)

    async def _embedded(self, group: Sequence[Text], average: float) -> list[Embedded]:
        known, tokens = await self._known(group)
        vectors = await self._embedder.vectors(group, known, self._tally.vectors, tokens)
        return await asyncio.to_thread(assembled, group, vectors, average, tokens)

    async def _known(
        self, group: Sequence[Text]
    ) -> tuple[dict[str, Vector], dict[str, bytes] | None]:
        """What the index has of earlier versions, and of the same bytes under other names."""
        live = self._tally.live
        sources = {text.source for text in group if text.source in live}
        sources |= {
            self._by_version[one.version] for one in group if one.version in self._by_version
        }
        known: dict[str, Vector] = {}
        tokens: dict[str, bytes] = {}
        for source in sorted(sources):
            known.update(await self._index.vectors(source))
            if self._tokens:
                tokens.update(await self._index.tokens(source))
        return known, tokens if self._tokens else None

    async def _average_length(self, group: Sequence[Text]) -> float:
        """Fixed by the first group, since every weight in the index is relative to it."""
        known = await self._index.average_length()
        if known is not None:
            return known
        lengths = [len(words) for text in group for words in text.terms]
        average = max(1.0, sum(lengths) / len(lengths))
        await self._index.fix_average_length(average)
        return average

    async def _write(self, embedded: Sequence[Embedded]) -> None:
        await self._index.write(embedded)
        self._tally.stored(embedded)

    async def _take_out(self, remove: Collection[str], prune: bool) -> None:
        """Remove what is not to be there any more, unless that may be a mistake."""
        gone = {source for source in remove if source in self._tally.live} - self._seen
        if prune and self._may_prune():
            gone.update(source for source in self._tally.live if source not in self._seen)
        if gone:
            await self._index.write([], remove=sorted(gone))
            self._tally.gone(sorted(gone))

    def _may_prune(self) -> bool:
        tally = self._tally
        if self._listing.unlisted:
            tally.notice = "Nothing was pruned: not everything could be listed."
        elif not self._found:
            raise BadSource(
                "Refused to prune: no file was found, so every document of the collection would be "
                "removed."
            )
        elif not tally.added + tally.changed + tally.unchanged:
            tally.notice = "Nothing was pruned: not one file could be read."
        return not tally.notice


@dataclass(frozen=True, slots=True)
class _Reading:
    """An item in the hands of the engine."""

    item: Item
    known: bool  # whether there is an earlier version
    read: asyncio.Future[Text | Same]


def _too_far(waiting: Collection[_Reading], item: Item, most: Ahead) -> bool:
    ahead = sum(one.item.size or _UNKNOWN_SIZE for one in waiting) + item.size
    return len(waiting) >= most.files or ahead > most.bytes
