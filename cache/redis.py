"""Answers in Redis, shared by all gateway processes.

An exact look-up is one round trip. Similar questions are compared here, in a mirror of their scope:
one round trip brings what was added since, a second one the entries of the few that are near. Redis
alone says what is kept, so what a mirror still knows of a retired entry does not matter. A Redis
that does not answer costs one short wait, and then nothing until it has cooled down: CacheDown is
raised at once. How much is kept is Redis' own affair (maxmemory).
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeVar, cast

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from cache import scripts
from cache.config import CacheConfig, RedisStore
from cache.keys import digest
from cache.mirrors import Asked, Changes, Mirror, Mirrors, recorded
from cache.types import CacheDown, Candidate, Entry, Scope, Stats
from retrieval.types import Query

log = logging.getLogger("moorline")
P = ParamSpec("P")
T = TypeVar("T")

_PAGE = 250  # questions that are told at once
_SCANNED = 500  # keys that Redis looks at in one step of a scan
_SAMPLED = 20  # such steps; what is beyond them is estimated
_PURGED = 100  # keys of one step where their entries are read, too
_RETIRED = 200  # sources that are retired in one step
_CLEARED = 1_000  # entries that go with them in one step; Redis does nothing else meanwhile


class RedisCache:
    """The shared answer cache."""

    def __init__(
        self, config: CacheConfig, store: RedisStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._ttl = config.ttl_seconds
        self._max_questions = config.semantic.max_questions
        self._clock = clock
        self._failing = False
        self._shut_until = 0.0
        # Braces make all keys fall into one slot of a cluster.
        self._base = store.prefix if "{" in store.prefix else f"{{{store.prefix}}}"
        self._mirrors = Mirrors(self._max_questions, store.mirror_bytes)
        self._following = set[asyncio.Task[None]]()
        pool = BlockingConnectionPool.from_url(
            store.url.get_secret_value(),
            max_connections=store.connections,
            timeout=store.timeout,
            socket_timeout=store.timeout,
            socket_connect_timeout=store.timeout,
            # Redis' own retries would make every request wait seconds for a server that is gone.
            retry=Retry(NoBackoff(), 0),
            # With them on, a connection that the server has closed is noticed only when it fails.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._redis = Redis(connection_pool=pool)
        self._scripts = {lua: self._redis.register_script(lua) for lua in scripts.ALL}

    async def exact(self, scope: Scope, *, stale_for: float = 0.0) -> Entry | None:
        (entry,) = await self._asked(self._entries, "", [scope.exact])
        return entry if entry and entry.made_at > self._after(stale_for) else None

    async def near(
        self, scope: Scope, query: Query, *, floor: float, most: int = 8, stale_for: float = 0.0
    ) -> list[Candidate]:
        after = self._after(stale_for)
        return await self._asked(self._near, scope.similar, query, floor, most, after)

    async def fill(
        self, scope: Scope, entry: Entry, query: Query | None, *, stale_for: float = 0.0
    ) -> None:
        end = entry.made_at + self._ttl + stale_for
        if end <= time.time():
            await self._asked(self._run, scripts.FORGET, scope.exact)
        else:
            await self._asked(self._fill, scope, entry, query, end)

    async def retire(self, sources: Sequence[str]) -> int:
        gone = 0
        for start in range(0, len(sources), _RETIRED):
            names = [digest(source) for source in sources[start : start + _RETIRED]]
            left = 1
            while left:
                some, left = await self._asked(self._run, scripts.RETIRE, _CLEARED, *names)
                gone += some
        return gone

    async def renew(self, key: str, entry: Entry) -> None:
        await self._asked(self._renew, key, entry)

    async def purge(
        self, *, document: str | None = None, collection: str | None = None, key: str | None = None
    ) -> int:
        gone = 0
        async for keys in self._pages() if key is None else _only(key):
            entries = zip(keys, await self._asked(self._entries, "", keys), strict=True)
            meant = [name for name, each in entries if each and each.matches(document, collection)]
            if meant:
                gone += await self._asked(self._run, scripts.FORGET, *meant)
        return gone

    async def stats(self) -> Stats:
        """From all keys of ours where they are few, else reckoned from the first ones."""
        seen, cursor = _Seen(), 0
        for _ in range(_SAMPLED):
            cursor = await self._asked(self._look, seen, cursor)
            if not cursor:
                return seen.stats(1.0)
        everything = await self._asked(self._redis.dbsize)
        return seen.stats(max(1.0, everything / (_SAMPLED * _SCANNED)))

    async def aclose(self) -> None:
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        self._mirrors.clear()
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _after(self, stale_for: float) -> float:
        """What is found must have been made later."""
        return time.time() - self._ttl - stale_for

    async def _run(self, lua: str, *args: Any) -> Any:
        return await self._scripts[lua](args=[self._base, *args])

    async def _entries(self, similar: str, keys: Sequence[str]) -> list[Entry | None]:
        """What is kept under these exact keys; the scope forgets the questions of the others."""
        found = cast("list[bytes | None]", await self._run(scripts.READ, similar, *keys))
        return [_read(raw) if raw else None for raw in found]

    async def _near(
        self, similar: str, query: Query, floor: float, most: int, after: float
    ) -> list[Candidate]:
        if (mirror := await self._mirror(similar, query.vector.size)) is None:
            return []
        near = await mirror.questions.nearest(query.vector, floor, after)
        found: list[Candidate] = []
        some = most
        while near and len(found) < most:
            asked, near = near[:some], near[some:]
            entries = await self._entries(similar, [each.key for each in asked])
            for each, entry in zip(asked, entries, strict=True):
                if entry is None:
                    self._mirrors.gone(similar, each.key)
                elif entry.made_at > after:
                    found.append(Candidate(each.key, entry, each.cosine))
            some *= 2  # Where many are gone, few round trips find that out.
        return found[:most]

    async def _mirror(self, similar: str, size: int) -> Mirror | None:
        """The scope's questions as they are now; of a large scope that this process meets for the
        first time, those that were read so far."""
        mirror = self._mirrors.of(similar)
        if mirror and mirror.following:
            return mirror
        mirror = await self._told(similar, size)
        if mirror and mirror.behind and not mirror.following:
            mirror.following = True
            task = asyncio.create_task(self._follow(similar, mirror))
            self._following.add(task)
            task.add_done_callback(self._following.discard)
        return mirror

    async def _told(self, similar: str, size: int) -> Mirror | None:
        """The mirror with the next page of what was added."""
        mirror = self._mirrors.of(similar)
        asked = Asked(mirror.epoch, mirror.seq) if mirror else Asked()
        answer = await self._run(scripts.CHANGES, similar, asked.epoch, asked.after, _PAGE)
        if not answer:
            self._mirrors.drop(similar)
            return None
        epoch, after, upto, last, living, keys, records = answer
        added = [(key.decode(), each) for key, each in zip(keys, records, strict=True) if each]
        changes = Changes(epoch, int(after), int(upto), int(last), living, added)
        return self._mirrors.told(similar, size, asked, changes)

    async def _follow(self, similar: str, mirror: Mirror) -> None:
        """Read page after page until the mirror is whole."""
        try:
            while mirror.behind and self._mirrors.of(similar) is mirror:
                await self._asked(self._told, similar, mirror.questions.size)
        except CacheDown as error:  # The next look-up goes on.
            log.warning("cache: %s", error)
        finally:
            mirror.following = False

    async def _fill(self, scope: Scope, entry: Entry, query: Query | None, end: float) -> None:
        now = time.time()
        await self._run(
            scripts.FILL,
            scope.exact,
            scope.similar,
            _written(entry, scope.similar),
            max(1, int(1000 * (end - now))),
            now,
            end,
            recorded(query.vector, entry.made_at, end) if query else b"",
            self._max_questions,
            uuid.uuid4().hex,
            *_digests(entry),
        )

    async def _renew(self, key: str, entry: Entry) -> None:
        made_at, sources = repr(entry.made_at), _digests(entry)
        await self._run(scripts.RENEW, key, made_at, " ".join(sources), _body(entry))

    async def _pages(self) -> AsyncIterator[list[str]]:
        """The exact keys of all entries."""
        cursor, begin = 0, f"{self._base}e:"
        while True:
            cursor, names = await self._asked(self._redis.scan, cursor, f"{begin}*", _PURGED)
            yield [cast("bytes", name).decode().removeprefix(begin) for name in names]
            if not cursor:
                return

    async def _look(self, seen: _Seen, cursor: int) -> int:
        """Count what one step of a scan comes by; says where to go on."""
        following, names = await self._redis.scan(cursor, f"{self._base}*", _SCANNED)
        kinds = [cast("bytes", name).decode().removeprefix(self._base)[:2] for name in names]
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, kind in zip(names, kinds, strict=True):
                pipe.memory_usage(name)
                if kind == "e:":
                    pipe.getrange(name, 0, 31)
                elif kind == "l:":
                    pipe.zcard(name)
            seen.add(kinds, await pipe.execute())
        return int(following)

    async def _asked(self, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it, unless Redis was just found dead. After the cool-down one caller tries for all."""
        now = self._clock()
        if now < self._shut_until:
            raise CacheDown("Redis did not answer a moment ago; it is not asked again yet.")
        if self._failing:
            self._shut_until = now + self._store.cool_down
        try:
            async with asyncio.timeout(self._store.timeout):
                result = await work(*args, **kwargs)
        except (RedisError, OSError, TimeoutError) as error:
            self._failing = True
            self._shut_until = self._clock() + self._store.cool_down
            raise CacheDown(f"Redis does not answer: {type(error).__name__}: {error}") from error
        self._failing, self._shut_until = False, 0.0
        return result


class _Seen:
    """What a scan came by."""

    def __init__(self) -> None:
        self.bytes = self.questions = self.scopes = 0
        self.made: list[float] = []

    def add(self, kinds: Sequence[str], answers: Sequence[Any]) -> None:
        """Keys of these kinds: each one's bytes, and the beginning of an entry, the questions of a
        scope."""
        answer = iter(answers)
        for kind in kinds:
            self.bytes += next(answer) or 0  # It may be gone since it was seen.
            if kind == "e:":
                self.made += _times(next(answer))
            elif kind == "l:":
                self.questions += next(answer)
                self.scopes += 1

    def stats(self, share: float) -> Stats:
        """`share` is how many times as many keys there are as were looked at."""
        return Stats(
            entries=round(share * len(self.made)),
            bytes=round(share * self.bytes),
            questions=round(share * self.questions),
            scopes=round(share * self.scopes),
            oldest=min(self.made, default=None),
            newest=max(self.made, default=None),
            estimated=share > 1,
        )


async def _only(key: str) -> AsyncIterator[list[str]]:
    yield [key]


def _times(begin: bytes) -> list[float]:
    """When an entry was made that begins so; none where it is gone or something else."""
    try:
        return [float(begin.partition(b" ")[0])]
    except ValueError:
        return []


def _digests(entry: Entry) -> list[str]:
    return [digest(source) for source in entry.sources]


def _body(entry: Entry) -> bytes:
    said = [entry.question, entry.sources, entry.made_at, entry.answer]
    said += [entry.collection, entry.edition, entry.found, entry.until]
    return orjson.dumps(said) + b"\n" + entry.value


def _written(entry: Entry, similar: str) -> bytes:
    first = " ".join([repr(entry.made_at), similar or "-", *_digests(entry)])
    return first.encode() + b"\n" + _body(entry)


def _read(raw: bytes) -> Entry | None:
    """What `_written` wrote; anything else under this key is a miss."""
    _, _, body = raw.partition(b"\n")
    said, _, value = body.partition(b"\n")
    try:
        question, sources, *others = orjson.loads(said)
        return Entry(value, question, tuple(sources), *others)
    except (orjson.JSONDecodeError, ValueError, TypeError):
        return None
