"""Files into an index: only what has changed, in groups that become visible whole.

Reading, splitting and counting run in threads, a group ahead of the encoder; the encoder works on
one group while the one before is written. It does not know where the index lives, nor who asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from retrieval.chunking.sections import split
from retrieval.config import RetrievalConfig
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import parse
from retrieval.sources.targets import source
from retrieval.sources.types import BadSource, Item, Listing
from retrieval.sparse import document_vector
from retrieval.types import Embedded, Encoder, Index, Passage, RetrievalError, Vectors
from retrieval.words import terms

_READERS = 2
_AHEAD = 8  # files read before they are asked for
_GROUP_DOCUMENTS = 64
_GROUP_PASSAGES = 512
_SLICE = 128  # passages handed to the encoder at once: the step of the progress


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not ingested."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `size_done` counts a file by the share of its passages that are encoded."""

    files: int
    files_done: int
    size: int  # of all files, in bytes
    size_done: int
    passages: int
    seconds: float
    failure: Failure | None = None  # the one that this event is about


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    added: int
    changed: int
    unchanged: int
    removed: int
    skipped: int
    failed: tuple[Failure, ...]
    passages: int
    seconds: float
    retired: tuple[str, ...]  # "document@version" of all that was replaced or removed
    notice: str = ""  # what was asked for and not done, and why


Event: TypeAlias = Progress | Report


def to_dict(event: Event) -> dict[str, Any]:
    """An event as JSON carries it."""
    return {"event": "report" if isinstance(event, Report) else "progress", **asdict(event)}


def from_dict(raw: Mapping[str, Any]) -> Event:
    """The event that `to_dict` wrote. Raises RetrievalError for one that tells of an error."""
    values = {name: value for name, value in raw.items() if name != "event"}
    match raw.get("event"):
        case "progress":
            failure = values.pop("failure", None)
            return Progress(**values, failure=Failure(**failure) if failure else None)
        case "report":
            failed = tuple(Failure(**each) for each in values.pop("failed"))
            return Report(**values | {"failed": failed, "retired": tuple(values["retired"])})
        case _:
            kind = BadSource if raw.get("usage") else RetrievalError
            raise kind(str(raw.get("message", "The ingestion ended without a word.")))


async def as_dicts(events: AsyncIterator[Event]) -> AsyncGenerator[dict[str, Any]]:
    """Events as JSON carries them; what ends the ingestion becomes the last event."""
    try:
        async for event in events:
            yield to_dict(event)
    except RetrievalError as error:
        yield {"event": "error", "message": str(error), "usage": isinstance(error, BadSource)}
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


@dataclass(frozen=True, slots=True)
class _Ready:
    """A document as it was read: passages, and the terms of each."""

    file: Item
    version: str
    passages: list[Passage]
    terms: list[list[str]]


@dataclass(slots=True)
class _State:
    """One run's counts."""

    files: int
    size: int
    live: Mapping[str, str]
    progress: Callable[[Progress], None]
    began: float = field(default_factory=time.monotonic)
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    size_done: float = 0.0
    passages: int = 0
    failed: list[Failure] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    notice: str = ""

    def tell(self, failure: Failure | None = None) -> None:
        done = self.added + self.changed + self.unchanged + len(self.failed)
        self.progress(
            Progress(
                self.files,
                min(done, self.files),
                self.size,
                min(round(self.size_done), self.size),
                self.passages,
                self.seconds,
                failure,
            )
        )

    def fail(self, shown: str, reason: str, size: int = 0) -> None:
        self.failed.append(Failure(shown, reason))
        self.size_done += size
        self.tell(self.failed[-1])

    def keep(self, file: Item) -> None:
        self.unchanged += 1
        self.size_done += file.size
        self.tell()

    def store(self, source: str) -> None:
        if old := self.live.get(source):
            self.changed += 1
            self.retired.append(f"{source}@{old}")
        else:
            self.added += 1

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 3)


class Ingestor:
    """Keeps one collection equal to files."""

    def __init__(self, index: Index, encoder: Encoder, config: RetrievalConfig) -> None:
        self._index = index
        self._encoder = encoder
        self._limit = min(config.passage_tokens, encoder.window)

    async def ingest(
        self,
        paths: Sequence[Path],
        *,
        prune: bool = False,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Report:
        """Add, replace and, with `prune`, remove. Raises BadSource and RetrievalError.

        What cannot be read is reported and its earlier version kept. Cancelled at any moment, the
        index holds whole documents, and the next run goes on from there."""
        began = time.monotonic()
        listing = Listing()
        targets = source([str(path) for path in paths])
        files = await asyncio.to_thread(lambda: list(targets.items(listing)))
        if prune and not files:
            raise BadSource(
                "Refused to prune: no file was found, so every document of the collection would be "
                "removed."
            )
        recorded = await self._index.documents()
        live = {source: one.version for source, one in recorded.items()}
        total = sum(file.size for file in files)
        state = _State(len(files), total, live, progress, began)
        for shown, reason in listing.unlisted:
            state.fail(shown, reason)
        state.tell()
        await self._bring_in(files, state)
        if prune:
            await self._prune({file.source for file in files}, bool(listing.unlisted), state)
        return Report(
            state.added,
            state.changed,
            state.unchanged,
            state.removed,
            len(listing.skipped),
            tuple(state.failed),
            state.passages,
            state.seconds,
            tuple(state.retired),
            state.notice,
        )

    async def events(self, paths: Sequence[Path], *, prune: bool = False) -> AsyncGenerator[Event]:
        """The same as a stream: progress, and the report at last. Closing it cancels the work."""
        told: asyncio.Queue[Progress | None] = asyncio.Queue()
        work = asyncio.create_task(self.ingest(paths, prune=prune, progress=told.put_nowait))
        work.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (event := await told.get()) is not None:
                yield event
            yield await work
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _bring_in(self, files: Sequence[Item], state: _State) -> None:
        groups: asyncio.Queue[list[_Ready] | None] = asyncio.Queue(maxsize=1)
        reading = asyncio.create_task(self._read_all(files, groups, state))
        writing: asyncio.Task[None] | None = None
        try:
            while (group := await groups.get()) is not None:
                embedded = await self._embed(group, state)
                if writing:
                    await writing
                writing = asyncio.create_task(self._write(embedded, state))
            await reading
            if writing:
                await writing
        finally:
            reading.cancel()
            # A write that has begun is brought to its end: nobody closes the index under it.
            await asyncio.wait({reading, *([writing] if writing else [])})

    async def _read_all(
        self, files: Sequence[Item], groups: asyncio.Queue[list[_Ready] | None], state: _State
    ) -> None:
        """Read what has changed, and hand it on in groups; None at the end."""
        group: list[_Ready] = []
        passages = 0
        try:
            async with aclosing(self._reads(files, state)) as reads:
                async for ready in reads:
                    many = passages + len(ready.passages) > _GROUP_PASSAGES
                    if group and (many or len(group) == _GROUP_DOCUMENTS):
                        await groups.put(group)
                        group, passages = [], 0
                    group.append(ready)
                    passages += len(ready.passages)
            if group:
                await groups.put(group)
        except Exception:
            await groups.put(None)  # whoever waits for a group learns of the error afterwards
            raise
        await groups.put(None)

    async def _reads(self, files: Sequence[Item], state: _State) -> AsyncGenerator[_Ready]:
        """Documents in the order of their files, read by threads a few files ahead."""
        threads = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        waiting: deque[tuple[Item, Future[_Ready | None]]] = deque()
        todo = iter(files)
        try:
            for file in chain(todo, [None] * _AHEAD):
                if file is not None:
                    known = state.live.get(file.source)
                    waiting.append((file, threads.submit(self._read, file, known)))
                if waiting and (file is None or len(waiting) >= _AHEAD):
                    first, future = waiting.popleft()
                    try:
                        ready = await asyncio.wrap_future(future)
                    except Unreadable as error:
                        kept = "; the version read before is kept" * (first.source in state.live)
                        state.fail(first.shown or first.source, error.reason + kept, first.size)
                        continue
                    if ready is None:
                        state.keep(first)
                    else:
                        yield ready
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _read(self, file: Item, known: str | None) -> _Ready | None:
        """In a thread: the document, or None where it is the one that is known."""
        data = file.read()
        if known is not None and hashlib.sha256(data).hexdigest() == known:
            return None
        document = parse(data, file.name, file.source, file.meta)
        passages = split(document, self._encoder.count, self._limit)
        words = [terms(passage.embedded) for passage in passages]
        return _Ready(file, document.version, passages, words)

    async def _embed(self, group: Sequence[_Ready], state: _State) -> list[Embedded]:
        average = await self._average_length(group)
        texts = [passage.embedded for ready in group for passage in ready.passages]
        weights = [ready.file.size / len(ready.passages) for ready in group for _ in ready.passages]
        parts: list[Vectors] = []
        for start in range(0, len(texts), _SLICE):
            part = texts[start : start + _SLICE]
            parts.append(await self._encoder.passages(part))
            state.passages += len(part)
            state.size_done += sum(weights[start : start + _SLICE])
            state.tell()
        vectors = np.concatenate(parts)
        return await asyncio.to_thread(_assembled, group, vectors, average)

    async def _average_length(self, group: Sequence[_Ready]) -> float:
        """Fixed by the first group, since every weight in the index is relative to it."""
        known = await self._index.average_length()
        if known is not None:
            return known
        lengths = [len(words) for ready in group for words in ready.terms]
        average = max(1.0, sum(lengths) / len(lengths))
        await self._index.fix_average_length(average)
        return average

    async def _write(self, embedded: Sequence[Embedded], state: _State) -> None:
        await self._index.write(embedded)
        for document in embedded:
            state.store(document.source)
        state.tell()

    async def _prune(self, seen: set[str], blind: bool, state: _State) -> None:
        """Remove what no file stands for, unless that may be a mistake."""
        if blind:
            state.notice = "Nothing was pruned: not everything could be listed."
        elif not state.added + state.changed + state.unchanged:
            state.notice = "Nothing was pruned: not one file could be read."
        elif gone := [source for source in state.live if source not in seen]:
            await self._index.write([], remove=gone)
            state.removed = len(gone)
            state.retired += [f"{source}@{state.live[source]}" for source in gone]


def _assembled(group: Sequence[_Ready], vectors: Vectors, average: float) -> list[Embedded]:
    """Documents with the vectors of both halves."""
    embedded: list[Embedded] = []
    start = 0
    for ready in group:
        end = start + len(ready.passages)
        sparse = [document_vector(words, average) for words in ready.terms]
        embedded.append(
            Embedded(ready.file.source, ready.version, ready.passages, vectors[start:end], sparse)
        )
        start = end
    return embedded
