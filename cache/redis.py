"""Answers in Redis, shared by all gateway processes.

An exact look-up is one round trip. A Redis that does not answer costs one short wait, and then
nothing until it has cooled down: CacheDown comes at once. How much is kept is Redis' own affair
(maxmemory). Similar questions are compared here, not there: a scope's vectors are fetched whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cache.config import CacheConfig, RedisStore
from cache.keys import digest
from cache.types import CacheDown, Candidate, Entry, Scope, Stats
from retrieval.types import Query, Vectors

T = TypeVar("T")


# A set that answers of several ages are in lives as long as the longest-lived of them.
_LIVE_ON = """
local function live_on(key, ttl)
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end
"""
_STAND_ON = f"""{_LIVE_ON}
redis.call('SADD', KEYS[1], ARGV[1])
live_on(KEYS[1], ARGV[2])
"""
# Adds a question and drops the oldest beyond the limit. Both keys hash to one cluster slot.
_ADD_QUESTION = f"""{_LIVE_ON}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
local extra = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if extra > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], extra)
  for i = 1, #oldest, 2 do redis.call('HDEL', KEYS[1], oldest[i]) end
end
live_on(KEYS[1], ARGV[5])
live_on(KEYS[2], ARGV[5])
"""


@dataclass(frozen=True, slots=True)
class _Page:
    cursor: int
    entries: dict[bytes, Entry]


class RedisCache:
    """The shared answer cache."""

    def __init__(
        self, config: CacheConfig, store: RedisStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._ttl = config.ttl_seconds
        self._semantic = config.semantic
        self._clock = clock
        self._failing = False
        self._shut_until = 0.0
        pool = BlockingConnectionPool.from_url(
            store.url.get_secret_value(),
            max_connections=store.connections,
            timeout=store.timeout,
            socket_timeout=store.timeout,
            socket_connect_timeout=store.timeout,
            # Redis' own retries would make every request wait seconds for a server that is gone.
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=pool)

    async def exact(self, scope: Scope, *, stale_for: float = 0.0) -> Entry | None:
        return await self._asked(lambda: self._entry(scope.exact, self._oldest(stale_for)))

    async def near(
        self, scope: Scope, query: Query, *, floor: float, most: int = 8, stale_for: float = 0.0
    ) -> list[Candidate]:
        oldest = self._oldest(stale_for)
        return await self._asked(lambda: self._near(scope.similar, query, oldest, floor, most))

    async def fill(
        self, scope: Scope, entry: Entry, query: Query | None, *, stale_for: float = 0.0
    ) -> None:
        await self._asked(lambda: self._fill(scope, entry, query, self._ttl + stale_for))

    async def retire(self, sources: Sequence[str]) -> int:
        return await self._asked(lambda: self._retire(sources))

    async def renew(self, key: str, entry: Entry) -> None:
        await self._asked(lambda: self._renew(self._key("e", key), entry))

    async def purge(
        self, *, document: str | None = None, collection: str | None = None, key: str | None = None
    ) -> int:
        wanted, gone, cursor = self._key("e", "*" if key is None else key), 0, 0
        while True:
            page = await self._asked(lambda at=cursor: self._page(wanted, at))  # type: ignore[misc]
            names = [n for n, each in page.entries.items() if each.matches(document, collection)]
            if names:
                gone += await self._asked(lambda which=names: self._redis.unlink(*which))  # type: ignore[misc]
            if (cursor := page.cursor) == 0:
                return gone

    async def stats(self) -> Stats:
        made, size, cursor = list[float](), 0, 0
        while True:
            page = await self._asked(lambda at=cursor: self._page(self._key("e", "*"), at))  # type: ignore[misc]
            made += [each.made_at for each in page.entries.values()]
            size += sum(len(each.value) for each in page.entries.values())
            if (cursor := page.cursor) == 0:
                break
        oldest, newest = min(made, default=None), max(made, default=None)
        return Stats(len(made), size, 0, 0, oldest, newest, estimated=True)

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _oldest(self, stale_for: float) -> float:
        """When an entry that is found must have been made at the earliest."""
        return time.time() - self._ttl - stale_for

    async def _entry(self, exact: str, oldest: float) -> Entry | None:
        raw = cast("bytes | None", await self._redis.get(self._key("e", exact)))
        entry = _read(raw) if raw else None
        return entry if entry and entry.made_at > oldest else None

    async def _near(
        self, similar: str, query: Query, oldest: float, floor: float, most: int
    ) -> list[Candidate]:
        hashed, order = self._question_keys(similar)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(hashed)
            pipe.zrangebyscore(order, f"({oldest}", "+inf")
            fields, young = cast("tuple[dict[bytes, bytes], list[bytes]]", await pipe.execute())
        keys = [key for key in young if key in fields]
        if not keys:
            return []
        cosines = _unpacked([fields[key] for key in keys], query.vector.size) @ query.vector
        best = np.argsort(-cosines, kind="stable")[:most]
        near = {keys[at]: float(cosines[at]) for at in best.tolist() if cosines[at] >= floor}
        if not near:
            return []
        kept = [self._key("e", key.decode()) for key in near]
        raw = cast("list[bytes | None]", await self._redis.mget(kept))
        entries = {key: _read(each) for key, each in zip(near, raw, strict=True) if each}
        if gone := near.keys() - entries.keys():  # Their answers have run out or were retired.
            await _awaited(self._redis.hdel(hashed, *gone))
            await _awaited(self._redis.zrem(order, *gone))
            return await self._near(similar, query, oldest, floor, most)
        return [Candidate(k.decode(), e, near[k]) for k, e in entries.items() if e]

    async def _fill(self, scope: Scope, entry: Entry, query: Query | None, kept_for: float) -> None:
        ttl = max(1, int(kept_for * 1000))  # milliseconds
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(self._key("e", scope.exact), _written(entry), px=ttl)
            for source in entry.sources:
                pipe.eval(_STAND_ON, 1, self._key("s", digest(source)), scope.exact, str(ttl))
            if query:
                pipe.eval(
                    _ADD_QUESTION,
                    2,
                    *self._question_keys(scope.similar),
                    scope.exact,
                    _packed(query),
                    str(entry.made_at),
                    str(self._semantic.max_questions),
                    str(ttl),
                )
            await pipe.execute()

    async def _retire(self, sources: Sequence[str]) -> int:
        standing = [self._key("s", digest(source)) for source in sources]
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in standing:
                pipe.smembers(key)
            members = await pipe.execute()
        keys = set[bytes]().union(*members)
        async with self._redis.pipeline(transaction=False) as pipe:
            for exact in keys:
                pipe.unlink(self._key("e", exact.decode()))
            for key in standing:
                pipe.unlink(key)
            gone = await pipe.execute() if standing else []
        return sum(gone[: len(keys)])

    async def _renew(self, name: str, entry: Entry) -> None:
        raw = cast("bytes | None", await self._redis.get(name))
        kept = _read(raw) if raw else None
        if kept and (kept.made_at, kept.sources) == (entry.made_at, entry.sources):
            await self._redis.set(name, _written(entry), xx=True, keepttl=True)

    async def _page(self, pattern: str, cursor: int) -> _Page:
        """Some of the entries, and where to go on."""
        cursor, found = await self._redis.scan(cursor, pattern, 500)
        names = cast("list[bytes]", found)
        raw = cast("list[bytes | None]", await self._redis.mget(names) if names else [])
        entries = {name: _read(each) for name, each in zip(names, raw, strict=True) if each}
        return _Page(cursor, {name: each for name, each in entries.items() if each})

    def _key(self, kind: str, name: str) -> str:
        return f"{self._store.prefix}{kind}:{name}"

    def _question_keys(self, similar: str) -> tuple[str, str]:
        """Vectors by exact key, and their order; the braces keep both in one cluster slot."""
        return self._key("q", f"{{{similar}}}"), self._key("o", f"{{{similar}}}")

    async def _asked(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, unless Redis was just found dead. After the cool-down one caller tries for all."""
        now = self._clock()
        if now < self._shut_until:
            raise CacheDown("Redis did not answer a moment ago; it is not asked again yet.")
        if self._failing:
            self._shut_until = now + self._store.cool_down
        try:
            async with asyncio.timeout(2 * self._store.timeout):
                result = await work()
        except (RedisError, OSError, TimeoutError) as error:
            self._failing = True
            self._shut_until = self._clock() + self._store.cool_down
            raise CacheDown(f"Redis does not answer: {type(error).__name__}: {error}") from error
        self._failing, self._shut_until = False, 0.0
        return result


async def _awaited(result: Any) -> Any:
    """The client's annotations say that some commands may not be awaitable; here all are."""
    return await result


def _written(entry: Entry) -> bytes:
    head = [entry.question, entry.sources, entry.made_at, entry.answer]
    head += [entry.collection, entry.edition, entry.found, entry.until]
    return orjson.dumps(head) + b"\n" + entry.value


def _read(raw: bytes) -> Entry | None:
    """What `_written` wrote; anything else under this key is a miss."""
    head, _, value = raw.partition(b"\n")
    try:
        question, sources, *others = orjson.loads(head)
        return Entry(value, question, tuple(sources), *others)
    except (orjson.JSONDecodeError, ValueError, TypeError):
        return None


def _packed(query: Query) -> bytes:
    return query.vector.astype("<f2").tobytes()


def _unpacked(fields: Sequence[bytes], size: int) -> Vectors:
    """The vectors; one of another size was made by another encoder and never matches."""
    vectors = np.zeros((len(fields), size), dtype=np.float32)
    for row, field in enumerate(fields):
        if len(field) == 2 * size:
            vectors[row] = np.frombuffer(field, dtype="<f2")
    return vectors
