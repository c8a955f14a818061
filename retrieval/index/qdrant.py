"""Collections on a Qdrant server or cluster, which any number of processes may share.

The manifest is a point of its own. A reader looks through the generation that it knows and gets the
manifest in the same request; where that has moved on, it looks again. A writer holds a lease in the
manifest, and publishes only while it still holds it. Points are purged a generation late, since a
reader may be that far behind.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from httpx import HTTPError
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException

from retrieval.filters import (
    NEVER,
    Condition,
    Every,
    Exists,
    Not,
    OneOf,
    Some,
    Within,
    condition,
    simplified,
)
from retrieval.index import points
from retrieval.index.finishing import Finishing
from retrieval.index.points import (
    DENSE,
    SPARSE,
    Manifest,
    Payload,
    Point,
)
from retrieval.index.reembedding import reembedded
from retrieval.types import (
    Embedded,
    Encoder,
    Hit,
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

LOCAL = ":memory:"
_MANIFEST = 0
"""The id of the point that holds the manifest; passages have larger ones."""
_LEASE, _RENEWED, _PATIENCE, _PAUSE = 60.0, 20.0, 120.0, 0.2
"""Seconds: how long a writer's lease holds, when it is renewed, how long others wait, and steps."""
_SURE = 0.8
"""Share of the lease after which its holder no longer trusts it."""
_PLACED = "."
"""Between a collection's name and the number of its place; no name of a collection has one."""
_FRESH = 1.0
"""Seconds for which the generation is taken as known."""
_LOOKS = 5
_EF = 256
_PAGE, _WHOLE_PAGE = 1000, 100
_PAYLOAD = models.PayloadSelectorExclude(exclude=[points.TOKENS])
_REMEMBERED = 20_000
_TIMEOUT = 30
_KINDS = {"keyword": models.PayloadSchemaType.KEYWORD, "number": models.PayloadSchemaType.FLOAT}


@dataclass(frozen=True, slots=True)
class Placed(Manifest):
    """The manifest of a collection on a server. Its points are elsewhere once it was embedded anew:
    in a collection of the server's whose name ends in this number."""

    place: int = 0


class QdrantIndexes:
    """All collections whose names begin with the prefix."""

    def __init__(
        self, url: str, api_key: SecretStr | None, prefix: str, encoder_name: str, size: int
    ) -> None:
        key = api_key.get_secret_value() if api_key else None
        self._url, self._prefix = url, prefix
        self._new = Placed(encoder_name, size, restricted=())
        self.client = (
            AsyncQdrantClient(LOCAL)
            if url == LOCAL
            else AsyncQdrantClient(
                url=url, api_key=key, timeout=_TIMEOUT, check_compatibility=False
            )
        )
        self._open: dict[str, QdrantIndex] = {}
        self._opening = asyncio.Lock()

    async def names(self) -> list[str]:
        with _named(self._url):
            found = await self.client.get_collections()
        names = (collection.name for collection in found.collections)
        ours = (n.removeprefix(self._prefix) for n in names if n.startswith(self._prefix))
        return sorted(name for name in ours if _PLACED not in name)

    async def open(self, collection: str, create: bool = False) -> Index | None:
        points.check_name(collection)
        async with self._opening:
            if collection not in self._open:
                index = await self._opened(collection, create)
                if index is None:
                    return None
                self._open[collection] = index
            return self._open[collection]

    async def drop(self, collection: str) -> None:
        points.check_name(collection)
        name = self._prefix + collection
        async with self._opening:
            if index := self._open.pop(collection, None):
                await index.aclose()
            with _named(self._url):
                found = await self.client.get_collections()
                for one in found.collections:
                    if one.name == name or one.name.startswith(name + _PLACED):
                        await self.client.delete_collection(one.name)

    async def foreign(self) -> dict[str, str]:
        kept = {name: await self._found(name) for name in await self.names()}
        manifests = {name: found[1] for name, found in kept.items() if found}
        return {name: one.encoder for name, one in manifests.items() if not self._own(one)}

    async def reembed(
        self, collection: str, encoder: Encoder, progress: Callable[[int], None] = lambda done: None
    ) -> int:
        async with self._opening:
            found = await self._found(collection)
            if found is None or self._own(found[1]):
                return 0
            store, manifest = found
            fresh = self._collection(collection, manifest.place + 1)
            with _named(self._url):
                await self.client.delete_collection(fresh.name)  # what was interrupted has left
                await self._created(fresh.name)
            index = QdrantIndex(collection, store, manifest)
            many = await index.reembed(encoder, fresh, progress)
            with _named(self._url):
                await self._collection(collection).point_to(manifest.place + 1)
                await store.leave(manifest.place)
            return many

    async def aclose(self) -> None:
        async with self._opening:
            for index in self._open.values():
                await index.aclose()
            self._open.clear()
            await self.client.close()

    async def _opened(self, collection: str, create: bool) -> QdrantIndex | None:
        found = await self._found(collection, create)
        if found is None:
            return None
        store, manifest = found
        manifest.checked(collection, self._new.encoder, self._new.size)
        index = QdrantIndex(collection, store, manifest)
        await store.index(points.OWN_FIELDS)
        if manifest.restricted is None:
            await index.migrate()
        return index

    async def _found(
        self, collection: str, create: bool = False
    ) -> tuple[Collection, Placed] | None:
        """Where its points are, and its manifest, whatever encoder wrote it."""
        store = self._collection(collection)
        with _named(self._url):
            if not await self.client.collection_exists(store.name):
                if not create:
                    return None
                await self._created(store.name)
            # Whoever created the collection has not come so far, or never will.
            manifest = await store.manifest() or await store.begin(self._new.begun())
            place = 0
            while manifest.place != place:
                place = manifest.place
                store = self._collection(collection, place)
                moved = await store.manifest()
                if moved is None:
                    raise RetrievalError(f"The collection {collection!r} is damaged.")
                manifest = moved
            await store.load_fields()
        return store, manifest

    def _collection(self, collection: str, place: int = 0) -> Collection:
        name = self._prefix + collection + (f"{_PLACED}{place}" if place else "")
        return Collection(self.client, name, local=self._url == LOCAL)

    def _own(self, manifest: Manifest) -> bool:
        return (manifest.encoder, manifest.size) == (self._new.encoder, self._new.size)

    async def _created(self, name: str) -> None:
        dense = models.VectorParams(size=self._new.size, distance=models.Distance.DOT)
        sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
        try:
            await self.client.create_collection(
                name, vectors_config={DENSE: dense}, sparse_vectors_config={SPARSE: sparse}
            )
        except ApiException:
            if not await self.client.collection_exists(name):  # Else another was faster.
                raise


class QdrantIndex:
    """One collection, as one of perhaps many processes sees it."""

    def __init__(self, name: str, store: Collection, manifest: Placed) -> None:
        self._name, self.store, self._manifest = name, store, manifest
        self._seen = time.monotonic()
        self._writing = asyncio.Lock()
        self._finishing = Finishing()
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def generation(self) -> int:
        """As it was a second ago at most, while anyone asks."""
        self._keep_fresh()
        return self._manifest.generation

    def edition(self) -> str:
        self._keep_fresh()
        return self._manifest.edition(time.time())

    async def latest(self) -> str:
        with self._named():
            await self._refresh()
        return self._manifest.edition(time.time())

    async def search(
        self,
        vector: Vector,
        sparse: SparseVector,
        limit: int,
        where: Where | None = None,
        viewer: Viewer | None = None,
    ) -> Legs:
        asked = points.keyed(condition(where))
        for _ in range(_LOOKS):
            known = self._manifest
            live, admitted = points.visible(known.generation), points.admitted(known, viewer)
            which = simplified(Every((live, admitted, asked)))
            if which == NEVER:
                return Legs((), ())
            with self._named():
                legs, manifest = await self.store.search(vector, sparse, limit, which)
            self._noticed(manifest)
            if legs is not None and self._manifest.generation == known.generation:
                return legs
        raise RetrievalError(f"The collection {self._name!r} changes faster than it can be read.")

    async def documents(self) -> dict[str, Recorded]:
        with self._named():
            await self._refresh()
            return await points.documents(self.store, self._manifest.generation)

    async def passages(self, source: str, viewer: Viewer | None = None) -> list[Passage]:
        with self._named():
            await self._refresh()
            return await points.passages(self.store, self._manifest, source, viewer)

    async def around(
        self, wanted: Sequence[tuple[str, int, int]], viewer: Viewer | None = None
    ) -> list[list[Passage]]:
        with self._named():
            await self._refresh()
            return await points.around(self.store, self._manifest, wanted, viewer)

    async def vectors(self, source: str) -> dict[str, Vector]:
        with self._named():
            await self._refresh()
            return await points.vectors(self.store, self._manifest.generation, source)

    async def tokens(self, source: str) -> dict[str, bytes]:
        with self._named():
            await self._refresh()
            return await points.tokens(self.store, self._manifest.generation, source)

    async def token_vectors(self, places: Sequence[int]) -> dict[int, bytes]:
        with self._named():
            return await self.store.token_vectors(places)

    async def write(self, documents: Sequence[Embedded], remove: Sequence[str] = ()) -> None:
        await self._finishing.run(self._write({one.source: one for one in documents}, remove))

    async def average_length(self) -> float | None:
        with self._named():
            await self._refresh()
        return self._manifest.average_length

    async def fix_average_length(self, terms: float) -> None:
        await self._finishing.run(self._fix_average_length(terms))

    async def aclose(self) -> None:
        self._closed = True
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        async with self._writing:
            pass

    async def reembed(
        self, encoder: Encoder, fresh: Collection, progress: Callable[[int], None]
    ) -> int:
        """Into another collection of the server's, which is this one's place from then on. Who
        reads meanwhile finds all as it was; who writes waits."""
        async with self._leased() as token:
            known = self._manifest
            renewing = asyncio.ensure_future(self._renew(token))
            try:
                many = await reembedded(self.store, fresh, known, encoder, progress)
            finally:
                renewing.cancel()
            moved = replace(
                known,
                encoder=encoder.name,
                size=encoder.size,
                generation=known.generation + 1,
                place=known.place + 1,
            )
            await fresh.begin(moved)
            if not await self.store.publish(moved, known.generation, token):
                raise self._taken_over()
            return many

    async def migrate(self) -> None:
        """Bring points that an older version wrote to what this one needs to know of them."""
        async with self._leased() as token:
            if self._manifest.restricted is None:
                await self._publish(await points.migrate(self.store, self._manifest), token)

    async def _fix_average_length(self, terms: float) -> None:
        async with self._leased() as token:
            if self._manifest.average_length is None:
                await self._publish(replace(self._manifest, average_length=terms), token)

    async def _write(self, documents: Mapping[str, Embedded], remove: Sequence[str]) -> None:
        async with self._leased() as token:
            generation = self._manifest.generation
            await points.recover(self.store, generation)
            await self.store.delete(points.dead(generation - 1))
            if not await points.changes(self.store, generation, documents, remove):
                return
            renewing = asyncio.ensure_future(self._renew(token))
            try:
                staged = await points.stage(self.store, self._manifest, documents, remove)
            except ApiException:
                await points.recover(self.store, generation)
                raise
            finally:
                renewing.cancel()
            await self._publish(staged, token)

    async def _publish(self, manifest: Placed, token: str) -> None:
        if not await self.store.publish(manifest, self._manifest.generation, token):
            raise self._taken_over()
        self._noticed(manifest)

    def _taken_over(self) -> RetrievalError:
        return RetrievalError(
            f"The collection {self._name!r} was taken over by another process, since this one "
            "paused for too long. Nothing was changed; try again."
        )

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[str]:
        """The only writer, for as long as this lasts."""
        token = secrets.token_hex(8)
        async with self._writing:
            self._check_open()
            with self._named():
                await self._acquire(token)
                try:
                    await self._refresh()
                    yield token
                finally:
                    await self.store.release(token)

    async def _acquire(self, token: str) -> None:
        given_up = time.monotonic() + _PATIENCE
        while not await self.store.lease(token, _LEASE):
            if time.monotonic() > given_up:
                raise RetrievalError(
                    f"The collection {self._name!r} is being written by another process."
                )
            await asyncio.sleep(_PAUSE)

    async def _renew(self, token: str) -> None:
        while True:
            await asyncio.sleep(_RENEWED)
            await self.store.renew(token, _LEASE)

    def _keep_fresh(self) -> None:
        stale = time.monotonic() - self._seen > _FRESH
        if stale and not self._closed and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.ensure_future(self._refresh())

    async def _refresh(self) -> None:
        self._check_open()
        self._noticed(await self.store.manifest())

    def _noticed(self, manifest: Placed | None) -> None:
        if manifest is None:
            raise RetrievalError(f"The collection {self._name!r} was dropped.")
        if manifest.place != self._manifest.place:
            raise RetrievalError(
                f"The collection {self._name!r} was embedded anew by another process. Set "
                f"retrieval.encoder to {manifest.encoder!r} and start again."
            )
        self._manifest, self._seen = manifest, time.monotonic()

    @contextmanager
    def _named(self) -> Iterator[None]:
        self._check_open()
        with _named(self._name):
            yield

    def _check_open(self) -> None:
        if self._closed:
            raise RetrievalError(f"The collection {self._name!r} was closed or dropped.")


class Collection:
    """A collection on the server as a store of points, with its manifest."""

    def __init__(self, client: AsyncQdrantClient, name: str, local: bool) -> None:
        self.client, self.name, self._local = client, name, local
        self._fields: set[str] = set()
        self._known: dict[Any, Passage] = {}
        self._held_until = math.inf

    async def search(
        self, vector: Vector, sparse: SparseVector, limit: int, which: Condition
    ) -> tuple[Legs | None, Placed | None]:
        """Both halves and the manifest at once; None for what was purged while it was read."""
        condition = _filter(which)
        nearest = models.QueryRequest(
            query=vector.tolist(),
            using=DENSE,
            limit=limit,
            filter=condition,
            params=None if self._local else models.SearchParams(hnsw_ef=_EF),
        )
        matching = models.QueryRequest(
            query=_sparse(sparse), using=SPARSE, limit=limit, filter=condition
        )
        manifest = models.QueryRequest(filter=_is_manifest(), limit=1, with_payload=True)
        requests = [manifest, nearest, *([matching] if sparse.indices else [])]
        found = await self.client.query_batch_points(self.name, requests)
        current, *legs = [answer.points for answer in found]
        known = await self._passages([point.id for leg in legs for point in leg])
        if any(point.id not in known for leg in legs for point in leg):
            return None, _manifest(current)
        dense = [Hit(known[p.id], p.score, dense=p.score) for p in legs[0]]
        rest = [Hit(known[p.id], p.score, sparse=p.score) for leg in legs[1:] for p in leg]
        places = {known[p.id].id: cast(int, p.id) for leg in legs for p in leg}
        return Legs(dense, rest, places), _manifest(current)

    async def upsert(self, points: Sequence[Point]) -> None:
        self._check_lease()
        await self.client.upsert(self.name, [_point(point) for point in points])

    async def set(self, which: Condition, payload: Payload) -> None:
        self._check_lease()
        await self.client.set_payload(self.name, payload, points=_filter(which))

    async def delete(self, which: Condition) -> None:
        self._check_lease()
        selected = models.FilterSelector(filter=_filter(which))
        await self.client.delete(self.name, points_selector=selected)

    async def count(self, which: Condition) -> int:
        return (await self.client.count(self.name, count_filter=_filter(which))).count

    async def index(self, fields: Mapping[str, str]) -> None:
        if self._local:  # There all are searched one by one.
            return
        for field in fields.keys() - self._fields:
            await self.client.create_payload_index(
                self.name, field, field_schema=_KINDS[fields[field]]
            )
            self._fields.add(field)

    async def load_fields(self) -> None:
        info = await self.client.get_collection(self.name)
        self._fields = set(info.payload_schema or {})

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
    ) -> AsyncIterator[models.Record]:
        after: Any = None
        payload = True if vectors else _PAYLOAD if fields is None else list(fields)
        while True:
            records, after = await self.client.scroll(
                self.name,
                scroll_filter=_filter(which),
                limit=_WHOLE_PAGE if vectors else _PAGE,
                offset=after,
                with_payload=payload,
                with_vectors=vectors,
            )
            for record in records:
                yield record
            if after is None:
                return

    async def token_vectors(self, places: Sequence[int]) -> dict[int, bytes]:
        records = await self.client.retrieve(self.name, places, with_payload=[points.TOKENS])
        return {cast(int, r.id): points.token_vectors(r.payload or {}) for r in records}

    async def manifest(self) -> Placed | None:
        return _manifest(await self.client.retrieve(self.name, [_MANIFEST]))

    async def begin(self, manifest: Placed) -> Placed:
        payload = {"manifest": manifest.as_payload(), "writer": {"token": "", "until": 0.0}}
        point = models.PointStruct(id=_MANIFEST, vector={}, payload=payload)
        await self.client.upsert(self.name, [point])
        return manifest

    async def lease(self, token: str, seconds: float) -> bool:
        """Whether this token now holds the lease: the server changes it only where it is free."""
        free = models.FieldCondition(key="writer.until", range=models.Range(lt=time.time()))
        await self._set({"writer": {"token": token, "until": time.time() + seconds}}, free)
        return await self._holds(token, seconds)

    async def renew(self, token: str, seconds: float) -> None:
        await self._set({"writer": {"token": token, "until": time.time() + seconds}}, _held(token))
        await self._holds(token, seconds)

    async def release(self, token: str) -> None:
        await self._set({"writer": {"token": "", "until": 0.0}}, _held(token))
        self._held_until = math.inf

    async def _holds(self, token: str, seconds: float) -> bool:
        asked = time.monotonic()
        (record,) = await self.client.retrieve(self.name, [_MANIFEST])
        holds = bool((record.payload or {})["writer"]["token"] == token)
        if holds:
            self._held_until = asked + seconds * _SURE
        return holds

    def _check_lease(self) -> None:
        """A writer that was stopped for long must not go on where another has taken over."""
        if time.monotonic() > self._held_until:
            raise RetrievalError(
                f"Writing to {self.name!r} paused for so long that another process may have "
                "taken over. Nothing was changed; try again."
            )

    async def publish(self, manifest: Placed, generation: int, token: str) -> bool:
        """Whether it took place: only the lease's holder may, and only over this generation."""
        current = models.FieldCondition(
            key="manifest.generation", range=models.Range(gte=generation, lte=generation)
        )
        await self._set({"manifest": manifest.as_payload()}, _held(token), current)
        return await self.manifest() == manifest

    async def point_to(self, place: int) -> None:
        """Where whoever opens the collection finds it; never back to where it was before."""
        earlier = models.FieldCondition(key="manifest.place", range=models.Range(lt=place))
        found = models.Filter(must=[models.HasIdCondition(has_id=[_MANIFEST]), earlier])
        await self.client.set_payload(self.name, {"place": place}, points=found, key="manifest")

    async def leave(self, place: int) -> None:
        """Free what is not needed any more; where a collection began it leaves its address."""
        if place:
            await self.client.delete_collection(self.name)
        else:
            await self.delete(Within("born", (("gte", 0),)))

    async def _set(self, payload: Payload, *only: models.FieldCondition) -> None:
        await self.client.set_payload(self.name, payload, points=_is_manifest(*only))

    async def _passages(self, ids: Sequence[Any]) -> dict[Any, Passage]:
        """A point never changes its passage, so one that was read once is known."""
        if len(self._known) > _REMEMBERED:
            self._known = {}
        known = self._known
        if unknown := list({one for one in ids if one not in known}):
            records = await self.client.retrieve(self.name, unknown, with_payload=_PAYLOAD)
            known.update({r.id: points.passage(r.payload or {}) for r in records})
        return known


@contextmanager
def _named(name: str) -> Iterator[None]:
    """What the client raises, with a type and with what it is about."""
    try:
        yield
    except (ApiException, HTTPError) as error:
        raise RetrievalError(f"The Qdrant index {name!r} does not answer: {error}") from error


def _manifest(found: Sequence[models.ScoredPoint | models.Record]) -> Placed | None:
    payload = found[0].payload if found else None
    return Placed.of(payload["manifest"]) if payload else None


def _is_manifest(*also: models.FieldCondition) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=[_MANIFEST]), *also])


def _held(token: str) -> models.FieldCondition:
    return models.FieldCondition(key="writer.token", match=models.MatchAny(any=[token]))


def _point(point: Point) -> models.PointStruct:
    vector = {DENSE: point.dense.tolist(), SPARSE: _sparse(point.sparse)}
    return models.PointStruct(id=point.id, vector=vector, payload=point.payload)


def _read(record: models.Record) -> Point:
    vectors: Any = record.vector  # the two that a collection is created with
    sparse = vectors[SPARSE]
    return Point(
        cast(int, record.id),
        np.asarray(vectors[DENSE], np.float32),
        SparseVector(tuple(sparse.indices), tuple(sparse.values)),
        record.payload or {},
    )


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def _filter(which: Condition) -> models.Filter:
    parts = which.conditions if isinstance(which, Every) else (which,)
    return models.Filter(
        must=[_condition(one) for one in parts if not isinstance(one, Not)] or None,
        must_not=[_condition(one.condition) for one in parts if isinstance(one, Not)] or None,
    )


def _condition(one: Condition) -> models.Condition:
    match one:
        case OneOf(key, words):
            matched = models.MatchAny(any=[str(word) for word in words])
            return models.FieldCondition(key=key, match=matched)
        case Within(key, bounds):
            return models.FieldCondition(key=key, range=models.Range(**dict(bounds)))
        case Exists(key):
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
            return models.Filter(must_not=[empty])
        case Some(parts):
            return models.Filter(should=[_condition(part) for part in parts])
        case _:
            return _filter(one)
