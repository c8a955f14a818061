"""What the cache does when Redis is gone, hangs, comes back, or holds something else."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from cache.config import CacheConfig, RedisStore
from cache.redis import RedisCache
from cache.types import CacheDown, Entry, Scope
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.anyio

PREFIX = f"t{uuid.uuid4().hex}:"
SCOPE = Scope("e", "s")
ENTRY = Entry(b"answer", "?", ("a.md@1",), time.time())


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Line:
    """A way to a server, that can be cut, and that counts who comes by."""

    def __init__(self, to: int | None = None) -> None:
        self.port = free_port()
        self.connections = 0
        self._to = to
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        if self._to is None:
            return  # It answers nothing, and keeps the caller waiting.
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers.append(back)
        await asyncio.gather(_carry(reader, back), _carry(there, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
    writer.close()


@asynccontextmanager
async def opened(
    url: str, clock: Clock | None = None, wait: float = 5.0
) -> AsyncIterator[RedisCache]:
    store = RedisStore(
        kind="redis",
        url=SecretStr(url),
        prefix=PREFIX,
        timeout=wait,
        cool_down=5,
    )
    cache = RedisCache(CacheConfig(ttl_seconds=3600), store, clock or Clock())
    yield cache
    await cache.aclose()


def at(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


async def test_a_redis_that_is_not_there_is_a_cache_that_is_down() -> None:
    async with opened(at(free_port())) as cache:
        with pytest.raises(CacheDown, match="does not answer"):
            await cache.exact(SCOPE)


async def test_a_redis_that_hangs_is_given_up_within_the_timeout() -> None:
    line = Line()
    await line.open()
    async with opened(at(line.port), wait=0.05) as cache:
        began = time.perf_counter()
        with pytest.raises(CacheDown):
            await cache.exact(SCOPE)
        assert time.perf_counter() - began < 2
    await line.cut()


async def test_a_dead_redis_is_not_asked_again_before_it_has_cooled_down() -> None:
    line, clock = Line(), Clock()
    await line.open()
    async with opened(at(line.port), clock, wait=0.05) as cache:
        for _ in range(5):
            with pytest.raises(CacheDown):
                await cache.exact(SCOPE)
        assert line.connections == 1
        clock.now += 5
        with pytest.raises(CacheDown):
            await cache.exact(SCOPE)
        assert line.connections == 2
    await line.cut()


async def test_after_the_cool_down_one_request_tries_for_all() -> None:
    line, clock = Line(), Clock()
    await line.open()
    async with opened(at(line.port), clock, wait=0.05) as cache:
        with pytest.raises(CacheDown):
            await cache.exact(SCOPE)
        clock.now += 5
        results = await asyncio.gather(
            *(cache.exact(SCOPE) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(each, CacheDown) for each in results)
        assert line.connections == 2
    await line.cut()


async def test_a_redis_that_dies_and_comes_back_is_used_again() -> None:
    with redis_server() as url:
        line, clock = Line(int(url.rpartition(":")[2].partition("/")[0])), Clock()
        await line.open()
        async with opened(at(line.port), clock) as cache:
            await cache.fill(SCOPE, ENTRY, None)
            await line.cut()
            with pytest.raises(CacheDown):
                await cache.exact(SCOPE)
            await line.open()
            with pytest.raises(CacheDown):
                await cache.exact(SCOPE)
            clock.now += 5
            assert await cache.exact(SCOPE) == ENTRY
        await line.cut()


async def test_everything_in_redis_has_an_end() -> None:
    with redis_server() as url:
        async with opened(url) as cache, Redis.from_url(url) as redis:
            await cache.fill(SCOPE, ENTRY, None)
            keys = [key async for key in redis.scan_iter(f"{{{PREFIX}}}*")]
            lives = [await redis.pttl(key) for key in keys]
    assert len(keys) == 2
    assert all(0 < life <= 3_600_000 for life in lives)


async def test_something_else_under_the_key_is_a_miss() -> None:
    with redis_server() as url:
        async with opened(url) as cache, Redis.from_url(url) as redis:
            await redis.set(f"{{{PREFIX}}}e:{SCOPE.exact}", b"not ours")
            assert await cache.exact(SCOPE) is None
            assert (await cache.stats()).entries == 0


async def test_redis_itself_forgets_what_is_neither_fresh_nor_kept_as_stale() -> None:
    with redis_server() as url:
        async with opened(url) as cache, Redis.from_url(url) as redis:
            new = replace(ENTRY, made_at=time.time())
            await cache.fill(Scope("fresh", "s"), new, None)
            await cache.fill(Scope("stale", "s"), new, None, stale_for=1000)
            await cache.fill(Scope("later", "s"), replace(new, made_at=new.made_at - 600), None)
            lives = [
                await redis.ttl(f"{{{PREFIX}}}e:{name}") for name in ("fresh", "stale", "later")
            ]
            (standing,) = [key async for key in redis.scan_iter(f"{{{PREFIX}}}s:*")]
            together = await redis.ttl(standing)
    assert [round(life, -2) for life in lives] == [3600, 4600, 3000]
    assert together > 4000  # as long as the longest-lived answer on the source
