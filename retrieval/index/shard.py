"""Qdrant's engine as a store of points: translation to its types, and its calls in threads.

The engine holds the interpreter's lock while it writes, so pieces are small. It knows nothing of
generations, readers or manifests.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import qdrant_edge as edge

from retrieval.filters import ALWAYS, Condition, Every, Exists, Not, OneOf, Some, Within
from retrieval.index import points
from retrieval.index.points import DENSE, SPARSE, Payload, Point
from retrieval.types import Hit, InUse, Legs, Passage, RetrievalError, SparseVector, Vector

T = TypeVar("T")

EXACT_UP_TO = 20_000
"""Points. Up to here all of them are compared, in 6 ms at most; above, a graph is searched."""
_EF = 256
"""Breadth of the graph's search: with the engine's own, 0.7 of the neighbours on hard data."""
_UNFLUSHED = 20_000
"""Points after which the log is folded into the segments. Until then the log is the safety."""
_SEGMENT = 200_000
"""Points of the largest segment: making one takes about 2 KB of memory for each of them."""
_UNMERGED = 1000
"""Segments that are left as they are, while points keep coming."""
_REMEMBERED = 20_000
"""Passages kept in memory: reading 200 from the shard takes longer than finding them."""
_PAGE, _WHOLE_PAGE = 1000, 100
"""Points of one look: of their payloads, or of all that is in them."""
_PAYLOAD = edge.PayloadSelector.Exclude([points.TOKENS])
_COLD = edge.Memory.Cold
"""On disk, and in memory as far as the system finds room for it. What is still being written to is
in memory all the same: terms and fields, 2.7 KB a passage, until a rebuilding turns it to files."""
_KINDS: Mapping[str, Callable[[], edge.KeywordIndexParams | edge.FloatIndexParams]] = {
    "keyword": lambda: edge.KeywordIndexParams(memory=_COLD),
    "number": lambda: edge.FloatIndexParams(memory=_COLD),
}
_READERS = 2


class Threads:
    """Where the engine runs, shared by all shards: it writes for one of them at a time anyway."""

    def __init__(self) -> None:
        self.reading = ThreadPoolExecutor(_READERS, thread_name_prefix="index-read")
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="index-write")

    def close(self) -> None:
        self.reading.shutdown()
        self.writing.shutdown()


class Shard:
    """One opened shard."""

    def __init__(self, engine: edge.EdgeShard, folder: Path, threads: Threads) -> None:
        self.folder = folder
        self.large = False
        self._engine, self._threads = engine, threads
        self.fields = dict(_fields(engine))
        self._known: dict[edge.PointId, Passage] = {}
        self._unflushed = 0

    async def search(
        self, vector: Vector, sparse: SparseVector, limit: int, which: Condition
    ) -> Legs:
        return await self._read(lambda: self._search(vector, sparse, limit, which))

    async def upsert(self, points: Sequence[Point]) -> None:
        await self._write(lambda: edge.UpdateOperation.upsert_points([_point(p) for p in points]))
        self._unflushed += len(points)

    async def set(self, which: Condition, payload: Payload) -> None:
        await self._write(
            lambda: edge.UpdateOperation.set_payload_by_filter(_filter(which), payload)
        )

    async def delete(self, which: Condition) -> None:
        await self._write(lambda: edge.UpdateOperation.delete_points_by_filter(_filter(which)))

    async def index(self, fields: Mapping[str, str]) -> None:
        for field in fields.keys() - self.fields.keys():
            create = edge.UpdateOperation.create_field_index
            await self._write(partial(create, field, _KINDS[fields[field]]()))
            self.fields[field] = fields[field]

    async def count(self, which: Condition) -> int:
        request = edge.CountRequest(filter=_filter(which))
        return await self._read(lambda: self._engine.count(request))

    async def size(self) -> int:
        return await self._read(lambda: self._engine.info().points_count)

    async def scattered(self) -> bool:
        """Whether it lies in more segments than so many points need."""
        info = await self._read(self._engine.info)
        return info.segments_count > 2 * info.points_count // _SEGMENT + 3

    async def payloads(
        self, which: Condition, fields: Sequence[str] | None
    ) -> AsyncIterator[Payload]:
        async for record in self._records(which, fields):
            yield record.payload or {}

    async def points(self, which: Condition) -> AsyncIterator[Point]:
        async for record in self._records(which, None, vectors=True):
            yield _read(record)

    async def _records(
        self, which: Condition, fields: Sequence[str] | None, vectors: bool = False
    ) -> AsyncIterator[edge.Record]:
        after: edge.PointId | None = None
        payload = True if vectors else _PAYLOAD if fields is None else list(fields)
        while True:
            request = edge.ScrollRequest(
                offset=after,
                limit=_WHOLE_PAGE if vectors else _PAGE,
                filter=_filter(which),
                with_payload=payload,
                with_vector=vectors,
            )
            records, after = await self._read(partial(self._engine.scroll, request))
            for record in records:
                yield record
            if after is None:
                return

    async def token_vectors(self, places: Sequence[int]) -> dict[int, bytes]:
        def read() -> dict[int, bytes]:
            records = self._engine.retrieve(list(places), [points.TOKENS], with_vector=False)
            return {cast(int, r.id): points.token_vectors(r.payload or {}) for r in records}

        return await self._read(read)

    async def sync(self) -> None:
        """When this returns, what was written outlasts a loss of power."""
        if self._unflushed > _UNFLUSHED:
            await self.flush()
        await self._in(self._threads.writing, lambda: log_synced(self.folder / "wal"))

    async def flush(self) -> None:
        await self._in(self._threads.writing, self._engine.flush)
        self._unflushed = 0

    async def reopened(self, copy: Path) -> Shard:
        """The same points from another folder."""
        engine = await self._in(self._threads.writing, lambda: edge.EdgeShard.load(str(copy)))
        shard = Shard(engine, copy, self._threads)
        await shard.index(self.fields)
        return shard

    async def beside(self, folder: Path, size: int) -> Shard:
        """A new one that is empty, for vectors of another size."""
        engine = await self._in(self._threads.writing, lambda: create(folder, size))
        return Shard(engine, folder, self._threads)

    async def close(self) -> None:
        await self.flush()
        await self._in(self._threads.writing, self._engine.close)
        await self._in(self._threads.writing, _given_back)

    async def _read(self, call: Callable[[], T]) -> T:
        return await self._in(self._threads.reading, call)

    async def _write(self, operation: Callable[[], edge.UpdateOperation]) -> None:
        await self._in(self._threads.writing, lambda: self._engine.update(operation()))

    async def _in(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        with named(self.folder.parent.name):
            return await asyncio.get_running_loop().run_in_executor(threads, call)

    def _search(self, vector: Vector, sparse: SparseVector, limit: int, which: Condition) -> Legs:
        condition = None if which == ALWAYS else _filter(which)
        nearest = edge.QueryRequest(
            limit=limit,
            query=edge.Query.Nearest(vector.tolist(), using=DENSE),
            filter=condition,
            params=edge.SearchParams(exact=not self.large, hnsw_ef=_EF),
        )
        matching = edge.QueryRequest(
            limit=limit, query=edge.Query.Nearest(_sparse(sparse), using=SPARSE), filter=condition
        )
        requests = [nearest, matching] if sparse.indices else [nearest]
        found = self._engine.query_batch(edge.QueryBatchRequest(requests))
        known = self._passages([point.id for leg in found for point in leg])
        dense = [Hit(known[p.id], p.score, dense=p.score) for p in found[0]]
        rest = [Hit(known[p.id], p.score, sparse=p.score) for leg in found[1:] for p in leg]
        return Legs(dense, rest, {known[p.id].id: cast(int, p.id) for leg in found for p in leg})

    def _passages(self, ids: Sequence[edge.PointId]) -> dict[edge.PointId, Passage]:
        """A point never changes its passage, so one that was read once is known."""
        if len(self._known) > _REMEMBERED:
            self._known = {}
        known = self._known
        if unknown := [one for one in ids if one not in known]:
            records = self._engine.retrieve(unknown, with_payload=_PAYLOAD, with_vector=False)
            known.update({r.id: points.passage(r.payload or {}) for r in records})
        return known


@contextmanager
def named(collection: str) -> Iterator[None]:
    """The engine raises bare Exceptions and the disk OSErrors: both get our type and a name."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception and not isinstance(error, OSError):
            raise
        if "WouldBlock" in str(error):
            raise InUse(
                f"The collection {collection!r} is already open in another process. Stop that, "
                'or use a Qdrant server ([retrieval.index] kind = "qdrant") to share it.'
            ) from error
        raise RetrievalError(f"The index of {collection!r} failed: {error}") from error


def create(folder: Path, size: int) -> edge.EdgeShard:
    return edge.EdgeShard.create(str(folder), _configured(size))


def rebuild(folder: Path, size: int, merge: bool) -> None:
    """Make graphs and files of what was written, and of fewer and larger segments where they are to
    be merged. Blocks the interpreter, for minutes."""
    engine = edge.EdgeShard.load(str(folder), _configured(size, merge))
    for field, about in engine.info().payload_schema.items():
        if not about.params:  # It was written before there was a choice.
            kind = _KINDS[_kind(about)]()
            engine.update(edge.UpdateOperation.create_field_index(field, kind))
    engine.optimize()
    engine.flush()
    engine.close()


def _configured(size: int, merge: bool = True) -> edge.EdgeConfig:
    dense = edge.EdgeVectorParams(size=size, distance=edge.Distance.Dot, memory=_COLD)
    sparse = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf, memory=_COLD)
    kilobytes = size * 4 / 1024  # in which the engine counts vectors
    return edge.EdgeConfig(
        vectors={DENSE: dense},
        sparse_vectors={SPARSE: sparse},
        hnsw_config=edge.HnswIndexConfig(
            m=16, ef_construct=128, full_scan_threshold=10_000, memory=_COLD
        ),
        id_tracker_memory=_COLD,
        # Only a rebuilding looks at these.
        optimizers=edge.EdgeOptimizersConfig(
            indexing_threshold=int(EXACT_UP_TO * kilobytes),
            max_segment_size=max(1, int(_SEGMENT * kilobytes)),
            default_segment_number=1 if merge else _UNMERGED,
        ),
    )


def _fields(engine: edge.EdgeShard) -> Iterator[tuple[str, str]]:
    for field, about in engine.info().payload_schema.items():
        yield field, _kind(about)


def _kind(about: edge.PayloadIndexInfo) -> str:
    return "number" if about.data_type == edge.PayloadSchemaType.Float else "keyword"


def _given_back() -> None:
    """What the engine has freed, to the system: most C libraries keep it for the process."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _point(point: Point) -> edge.Point:
    vectors = {DENSE: point.dense.tolist(), SPARSE: _sparse(point.sparse)}
    return edge.Point(point.id, vectors, point.payload)


def _read(record: edge.Record) -> Point:
    vectors: Any = record.vector  # the two that `create` names
    sparse = vectors[SPARSE]
    return Point(
        cast(int, record.id),
        np.asarray(vectors[DENSE], np.float32),
        SparseVector(tuple(sparse.indices), tuple(sparse.values)),
        record.payload or {},
    )


def _sparse(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(list(vector.indices), list(vector.values))


def _filter(which: Condition) -> edge.Filter:
    parts = which.conditions if isinstance(which, Every) else (which,)
    return edge.Filter(
        must=[_condition(one) for one in parts if not isinstance(one, Not)],
        must_not=[_condition(one.condition) for one in parts if isinstance(one, Not)],
    )


def _condition(one: Condition) -> edge.ConditionType:
    match one:
        case OneOf(key, words):
            return edge.FieldCondition(key, match=edge.MatchAny([str(word) for word in words]))
        case Within(key, bounds):
            return edge.FieldCondition(key, range=edge.RangeFloat(**dict(bounds)))
        case Exists(key):
            return edge.Filter(must_not=[edge.IsEmptyCondition(key)])
        case Some(parts):
            return edge.Filter(should=[_condition(part) for part in parts])
        case _:
            return _filter(one)


def log_synced(folder: Path) -> None:
    for path in folder.iterdir():
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            # A thread of the engine's gives the next file of its log another name; it is empty.
            continue
        try:
            os.fsync(file)
        finally:
            os.close(file)
