"""A collection on a Qdrant server as a store of points, with its manifest and the writer's lease.

Translation to the client's types, and its calls. It does not know when a lease is to be taken, a
manifest read again or a generation published.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from httpx import HTTPError
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException

from retrieval.filters import Condition, Every, Exists, Not, OneOf, Some, Within
from retrieval.index import points
from retrieval.index.points import DENSE, SPARSE, Manifest, Payload, Point
from retrieval.types import Hit, Legs, Passage, RetrievalError, SparseVector, Vector

_MANIFEST = 0
"""The id of the point that holds the manifest; passages have larger ones."""
_SURE = 0.8
"""Share of the lease after which its holder no longer trusts it."""
_EF = 256
_PAGE, _WHOLE_PAGE = 1000, 100
_PAYLOAD = models.PayloadSelectorExclude(exclude=[points.TOKENS])
_REMEMBERED = 20_000
_KINDS = {"keyword": models.PayloadSchemaType.KEYWORD, "number": models.PayloadSchemaType.FLOAT}


@dataclass(frozen=True, slots=True)
class Placed(Manifest):
    """The manifest of a collection on a server. Its points are elsewhere once it was embedded anew:
    in a collection of the server's whose name ends in this number."""

    place: int = 0


class Collection:
    """A collection on the server as a store of points, with its manifest."""

    def __init__(self, client: AsyncQdrantClient, name: str, local: bool) -> None:
        self.client, self.name, self._local = client, name, local
        self._fields: set[str] = set()
        self._known: dict[Any, Passage] = {}
        self._held_until = math.inf

    async def exists(self) -> bool:
        return await self.client.collection_exists(self.name)

    async def create(self, size: int) -> None:
        """For vectors of this size; somebody else may be faster."""
        dense = models.VectorParams(size=size, distance=models.Distance.DOT)
        sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
        try:
            await self.client.create_collection(
                self.name, vectors_config={DENSE: dense}, sparse_vectors_config={SPARSE: sparse}
            )
        except ApiException:
            if not await self.exists():
                raise

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
def named(name: str) -> Iterator[None]:
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
