"""Collections in this process: one shard on disk each, which no other process may have open.

Readers look at all points while nothing is written, and through the current generation's filter
while something is; a write waits until nobody looks in a way that would see it half done.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import qdrant_edge as edge

from retrieval.filters import ALWAYS, NEVER, Condition, Every, condition, simplified
from retrieval.index import points, shard
from retrieval.index.finishing import Finishing, to_the_end
from retrieval.index.points import Manifest
from retrieval.index.rebuilding import rebuild, synced
from retrieval.index.reembedding import reembedded
from retrieval.index.shard import EXACT_UP_TO, Shard, Threads
from retrieval.types import (
    Embedded,
    Encoder,
    Index,
    Legs,
    Passage,
    Recorded,
    RetrievalError,
    SparseVector,
    Vector,
    Viewer,
    Where,
)

_log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_GROWN, _WASTED = 1.25, 0.2
"""How much larger than when last rebuilt, and which share deleted, make a rebuilding worthwhile."""


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """When a collection is rebuilt in the background."""

    quiet: float = 30.0  # seconds without a write
    deleted: int = 1000  # points, at least, for deletions alone to be a reason
    fresh: int = 50_000  # points written since the last, for which nobody waits for quiet


_POLICY = Rebuilding()


@dataclass(frozen=True, slots=True)
class _Kept(Manifest):
    """The manifest of a collection on disk: which shard holds it, and its size when rebuilt."""

    shard: str = "shard-0"
    rebuilt: int = 0


class EmbeddedIndexes:
    """All collections below one folder."""

    def __init__(
        self, folder: Path, encoder_name: str, size: int, policy: Rebuilding = _POLICY
    ) -> None:
        self._folder, self._encoder, self._size = folder, encoder_name, size
        self._policy = policy
        self._open: dict[str, EmbeddedIndex] = {}
        self._opening = asyncio.Lock()
        self._threads = Threads()

    async def names(self) -> list[str]:
        return await asyncio.to_thread(
            lambda: sorted(path.parent.name for path in self._folder.glob(f"[!.]*/{_MANIFEST}"))
        )

    async def open(self, collection: str, create: bool = False) -> Index | None:
        if index := self._open.get(collection):
            return index
        points.check_name(collection)
        async with self._opening:
            if collection not in self._open:
                index = await self._opened(self._folder / collection, create)
                if index is None:
                    return None
                self._open[collection] = index
            return self._open[collection]

    async def drop(self, collection: str) -> None:
        points.check_name(collection)
        async with self._opening:
            index = self._open.pop(collection, None) or await self._at(self._folder / collection)
            if index:
                await index.aclose()
                await asyncio.to_thread(_removed, self._folder / collection)

    async def foreign(self) -> dict[str, str]:
        kept = [(name, await self._kept(name)) for name in await self.names()]
        return {name: one.encoder for name, one in kept if one and not self._own(one)}

    async def reembed(
        self, collection: str, encoder: Encoder, progress: Callable[[int], None] = lambda done: None
    ) -> int:
        async with self._opening:
            kept = await self._kept(collection)
            if kept is None or self._own(kept):
                return 0
            folder = self._folder / collection
            index = await self._at(folder)
            assert index is not None  # Its manifest was just read.
            try:
                return await index.reembed(encoder, progress)
            finally:
                await index.aclose()

    async def aclose(self) -> None:
        async with self._opening:
            for index in self._open.values():
                await index.aclose()
            self._open.clear()
        await asyncio.to_thread(self._threads.close)

    def _own(self, kept: _Kept) -> bool:
        return (kept.encoder, kept.size) == (self._encoder, self._size)

    async def _kept(self, collection: str) -> _Kept | None:
        points.check_name(collection)
        manifest = self._folder / collection / _MANIFEST
        return await asyncio.to_thread(_read_manifest, manifest)

    async def _opened(self, folder: Path, create: bool) -> EmbeddedIndex | None:
        """A collection of this encoder."""
        if kept := await self._kept(folder.name):
            kept.checked(folder.name, self._encoder, self._size)
        return await self._at(folder, create)

    async def _at(self, folder: Path, create: bool = False) -> EmbeddedIndex | None:
        """Whatever encoder wrote it."""
        loop = asyncio.get_running_loop()
        new = _Kept(self._encoder, self._size, restricted=()).begun() if create else None
        with shard.named(folder.name):
            loaded = await loop.run_in_executor(self._threads.writing, _load, folder, new)
        if loaded is None:
            return None
        engine, kept = loaded
        opened = Shard(engine, folder / kept.shard, self._threads)
        index = EmbeddedIndex(folder, opened, kept, self._policy)
        try:
            await index.recover()
        except BaseException:
            await opened.close()
            raise
        return index


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What a reader looks at, and whether anything else lies beside it."""

    shard: Shard
    kept: _Kept
    filtered: bool = False

    def which(self, where: Condition, viewer: Viewer | None) -> Condition:
        """What a search may find. Where nothing else lies beside it, it need not be told apart."""
        live = points.visible(self.kept.generation) if self.filtered else ALWAYS
        return simplified(Every((live, points.admitted(self.kept, viewer), points.keyed(where))))


class EmbeddedIndex:
    """One collection. Its state changes on the event loop only; the shard works in threads."""

    def __init__(self, folder: Path, opened: Shard, kept: _Kept, policy: Rebuilding) -> None:
        self._folder, self.shard, self._kept, self._policy = folder, opened, kept, policy
        self._view = _View(opened, kept)
        self._looking: Counter[_View] = Counter()
        self._left = asyncio.Event()
        self._writing = asyncio.Lock()
        self._finishing = Finishing()
        self.rebuilding: asyncio.Task[None] | None = None
        self._begun = False
        self._removed: list[str] = []
        """The sources that were removed since the last copy was taken."""
        self._deleted = self._fresh = 0
        self._whole = False
        self._closed = False

    @property
    def generation(self) -> int:
        return self._kept.generation

    def edition(self) -> str:
        return self._kept.edition(time.time())

    async def latest(self) -> str:
        self._check_open()
        return self.edition()  # no other process may have it open

    async def search(
        self,
        vector: Vector,
        sparse: SparseVector,
        limit: int,
        where: Where | None = None,
        viewer: Viewer | None = None,
    ) -> Legs:
        asked = condition(where)
        with self._look() as view:
            which = view.which(asked, viewer)
            if which == NEVER:
                return Legs((), ())
            return await view.shard.search(vector, sparse, limit, which)

    async def documents(self) -> dict[str, Recorded]:
        with self._look() as view:
            return await points.documents(view.shard, view.kept.generation)

    async def passages(self, source: str, viewer: Viewer | None = None) -> list[Passage]:
        with self._look() as view:
            return await points.passages(view.shard, view.kept, source, viewer)

    async def around(
        self, wanted: Sequence[tuple[str, int, int]], viewer: Viewer | None = None
    ) -> list[list[Passage]]:
        with self._look() as view:
            return await points.around(view.shard, view.kept, wanted, viewer)

    async def vectors(self, source: str) -> dict[str, Vector]:
        with self._look() as view:
            return await points.vectors(view.shard, view.kept.generation, source)

    async def tokens(self, source: str) -> dict[str, bytes]:
        with self._look() as view:
            return await points.tokens(view.shard, view.kept.generation, source)

    async def token_vectors(self, places: Sequence[int]) -> dict[int, bytes]:
        with self._look() as view:
            return await view.shard.token_vectors(places)

    async def write(self, documents: Sequence[Embedded], remove: Sequence[str] = ()) -> None:
        if self.rebuilding and self._begun and self._fresh > 2 * self._policy.fresh:
            await asyncio.wait({self.rebuilding})  # what is not rebuilt lies in memory
        await to_the_end(self._write({one.source: one for one in documents}, remove))

    async def average_length(self) -> float | None:
        return self._kept.average_length

    async def fix_average_length(self, terms: float) -> None:
        await to_the_end(self._fix_average_length(terms))

    async def recover(self) -> None:
        """Undo what an interrupted write has left, and finish what it had published."""
        await self.shard.index(points.OWN_FIELDS)
        await self._mend()
        if self._kept.restricted is None:
            migrated = await points.migrate(self.shard, self._kept)
            await self.shard.sync()
            await self._publish(migrated)
            self._view = _View(self.shard, self._kept)
        self._fresh = max(0, await self.shard.size() - self._kept.rebuilt)
        await self._weigh(written=False)

    async def aclose(self) -> None:
        async with self._writing:
            self._closed = True
            await self._stop_rebuilding()
            await self._drained(*self._looking)
            await self.shard.close()

    async def reembed(self, encoder: Encoder, progress: Callable[[int], None]) -> int:
        """Into a shard beside this one, which is the collection's once its manifest says so."""
        async with self._writing:
            await self._stop_rebuilding()
            self._check_open()
            fresh = await self.shard.beside(self._next_folder(), encoder.size)
            try:
                many = await reembedded(self.shard, fresh, self._kept, encoder, progress)
                await fresh.flush()
                await asyncio.to_thread(synced, fresh.folder)
            except BaseException:
                await fresh.close()
                await asyncio.to_thread(shutil.rmtree, fresh.folder, ignore_errors=True)
                raise
            await self._publish(
                replace(
                    self._kept,
                    encoder=encoder.name,
                    size=encoder.size,
                    generation=self.generation + 1,
                    shard=fresh.folder.name,
                    rebuilt=0,
                )
            )
            before, self.shard = self.shard, fresh
            await self._show(_View(fresh, self._kept))
            await before.close()
            await asyncio.to_thread(shutil.rmtree, before.folder, ignore_errors=True)
            return many

    def _next_folder(self) -> Path:
        return self._folder / f"shard-{int(self._kept.shard.removeprefix('shard-')) + 1}"

    async def _fix_average_length(self, terms: float) -> None:
        async with self._writing:
            if self._kept.average_length is None:
                await self._publish(replace(self._kept, average_length=terms))

    async def _write(self, documents: Mapping[str, Embedded], remove: Sequence[str]) -> None:
        async with self._writing:
            self._check_open()
            if not self._whole:
                await self._mend()
            if not await points.changes(self.shard, self.generation, documents, remove):
                return
            await self._show(_View(self.shard, self._kept, filtered=True))
            self._whole = False
            try:
                staged = await points.stage(self.shard, self._kept, documents, remove)
                await self.shard.sync()
                await self._publish(staged)
                self._fresh += sum(len(one.passages) for one in documents.values())
                self._removed += remove
            finally:
                # Published or not: what is current is shown, what is not is cleared away.
                await self._show(_View(self.shard, self._kept, filtered=True))
                await self._mend()
                await self._show(_View(self.shard, self._kept))
        await self._weigh()

    async def _mend(self) -> None:
        await points.recover(self.shard, self.generation)
        dead = points.dead(self.generation)
        self._deleted += await self.shard.count(dead)
        await self.shard.delete(dead)
        self._whole = True

    async def _publish(self, kept: _Kept) -> None:
        with shard.named(self._folder.name):
            await asyncio.to_thread(_write_manifest, self._folder, kept)
        self._kept = kept

    @contextmanager
    def _look(self) -> Iterator[_View]:
        self._check_open()
        view = self._view
        self._looking[view] += 1
        try:
            yield view
        finally:
            self._looking[view] -= 1
            self._left.set()

    async def _show(self, view: _View) -> None:
        """From now on this is seen, and when it returns nobody looks at what was before."""
        before, self._view = self._view, view
        await self._drained(before)

    async def _drained(self, *views: _View) -> None:
        while any(self._looking[view] for view in views):
            self._left.clear()
            await self._left.wait()
        for view in views:
            del self._looking[view]

    def _check_open(self) -> None:
        if self._closed:
            raise RetrievalError(f"The collection {self._folder.name!r} was closed or dropped.")

    async def settled(self) -> None:
        """Return when no rebuilding is under way or planned."""
        while self.rebuilding and not self.rebuilding.done():
            await asyncio.wait({self.rebuilding})

    async def _weigh(self, written: bool = True) -> None:
        """Plan a rebuilding where one would help. One that has begun goes on. Where nothing was
        written it waits for quiet: who opens a collection may be gone at once."""
        size, scattered = await self.shard.size(), await self.shard.scattered()
        self.shard.large = size > EXACT_UP_TO
        if self._begun or self._closed:
            return
        if self.rebuilding:
            self.rebuilding.cancel()
        many = self._fresh > self._policy.fresh
        grown = self.shard.large and size > self._kept.rebuilt * _GROWN
        wasted = self._deleted > max(self._policy.deleted, size * _WASTED)
        if many or grown or wasted or scattered:
            merge = not (many and written)
            self.rebuilding = asyncio.create_task(self._rebuild(merge))

    async def _stop_rebuilding(self) -> None:
        if self.rebuilding:
            self.rebuilding.cancel()
            await asyncio.gather(self.rebuilding, return_exceptions=True)

    async def _rebuild(self, merge: bool) -> None:
        """Segments are merged when it is quiet: while points keep coming, memory counts."""
        if merge:
            await asyncio.sleep(self._policy.quiet)
        self._begun = True
        try:
            await self._rebuilt(self._next_folder(), merge)
            self._begun, self.rebuilding = False, None
            if not merge:
                await self._weigh()
        except (RetrievalError, OSError) as error:
            # The collection goes on as it is: slower, not wrong.
            _log.warning("%s was not rebuilt: %s", self._folder.name, error)
            self._fresh = 0
        finally:
            self._begun = False

    async def _rebuilt(self, copy: Path, merge: bool) -> None:
        """Work on a copy, bring in what is written meanwhile, then turn to it."""
        original = self.shard
        try:
            generation = await self._copy(copy)
            await rebuild(copy, self._kept.size, merge)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
            raise
        await self._finishing.run(self._turn_to(copy, original, generation))

    async def _copy(self, copy: Path) -> int:
        async with self._writing:
            if not self._whole:
                await self._mend()
            await self.shard.flush()
            await asyncio.to_thread(shutil.copytree, self.shard.folder, copy)
            self._removed = []
            return self.generation

    async def _turn_to(self, copy: Path, original: Shard, generation: int) -> None:
        async with self._writing:
            if self._closed or self.shard is not original:
                await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
                return
            opened = await original.reopened(copy)
            size = await opened.size()
            try:
                later = await points.caught_up(opened, original, generation, self._removed)
                await opened.sync()
            except BaseException:
                await opened.close()
                await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
                raise
            opened.large = original.large
            await self._publish(replace(self._kept, shard=copy.name, rebuilt=size))
            self.shard, self._deleted, self._fresh = opened, 0, later
            await self._show(_View(opened, self._kept))
            await original.close()
            await asyncio.to_thread(shutil.rmtree, original.folder, ignore_errors=True)


def _load(folder: Path, new: _Kept | None) -> tuple[edge.EdgeShard, _Kept] | None:
    """The shard that the manifest names; other ones are left-overs of something interrupted."""
    manifest = folder / _MANIFEST
    if not manifest.exists():
        if new is None:
            return None
        _removed(folder)
        folder.mkdir(parents=True)
        engine = shard.create(folder / new.shard, new.size)
        _write_manifest(folder, new)
        return engine, new
    kept = _read_manifest(manifest)
    assert kept is not None  # It exists, and nobody else may have the folder.
    engine = edge.EdgeShard.load(str(folder / kept.shard))
    for other in folder.glob("shard-*"):
        if other.name != kept.shard:
            _removed(other)
    return engine, kept


def _read_manifest(manifest: Path) -> _Kept | None:
    try:
        return _Kept.of(json.loads(manifest.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise RetrievalError(f"{manifest} is damaged: {error}") from error


def _write_manifest(folder: Path, kept: _Kept) -> None:
    """Replaced in one step, and on the disk when this returns."""
    draft = folder / f"{_MANIFEST}.new"
    with draft.open("w") as file:
        json.dump(kept.as_payload(), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _MANIFEST)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _removed(folder: Path) -> None:
    """Gone at once by its name, whatever interrupts the deletion of what was in it."""
    if folder.exists():
        dropped = folder.with_name(f".dropped-{folder.name}")
        shutil.rmtree(dropped, ignore_errors=True)
        folder.rename(dropped)
        shutil.rmtree(dropped)
