"""Collections on a Qdrant server or cluster, which any number of processes may share.

The manifest is a point of its own. A reader looks through the generation that it knows and gets the
manifest in the same request; where that has moved on, it looks again. A writer holds a lease in the
manifest, and publishes only while it still holds it. Points are purged a generation late, since a
reader may be that far behind.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ApiException

from retrieval.filters import NEVER, Every, condition, simplified
from retrieval.index import points
from retrieval.index.finishing import to_the_end
from retrieval.index.points import Manifest
from retrieval.index.reembedding import reembedded
from retrieval.index.server import Collection, Placed, named
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

LOCAL = ":memory:"
_LEASE, _RENEWED, _PATIENCE, _PAUSE = 60.0, 20.0, 120.0, 0.2
"""Seconds: how long a writer's lease holds, when it is renewed, how long others wait, and steps."""
_PLACED = "."
"""Between a collection's name and the number of its place; no name of a collection has one."""
_FRESH = 1.0
"""Seconds for which the generation is taken as known."""
_LOOKS = 5
_TIMEOUT = 30


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
        with named(self._url):
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
            with named(self._url):
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
            with named(self._url):
                await self.client.delete_collection(fresh.name)  # what was interrupted has left
                await fresh.create(self._new.size)
            index = QdrantIndex(collection, store, manifest)
            many = await index.reembed(encoder, fresh, progress)
            with named(self._url):
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
        with named(self._url):
            if not await store.exists():
                if not create:
                    return None
                await store.create(self._new.size)
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


class QdrantIndex:
    """One collection, as one of perhaps many processes sees it."""

    def __init__(self, name: str, store: Collection, manifest: Placed) -> None:
        self._name, self.store, self._manifest = name, store, manifest
        self._seen = time.monotonic()
        self._writing = asyncio.Lock()
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
        await to_the_end(self._write({one.source: one for one in documents}, remove))

    async def average_length(self) -> float | None:
        with self._named():
            await self._refresh()
        return self._manifest.average_length

    async def fix_average_length(self, terms: float) -> None:
        await to_the_end(self._fix_average_length(terms))

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
        with named(self._name):
            yield

    def _check_open(self) -> None:
        if self._closed:
            raise RetrievalError(f"The collection {self._name!r} was closed or dropped.")
