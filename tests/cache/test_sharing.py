"""Gateways that share a Redis which evicts, restarts, is emptied or put back, or is a cluster's."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from cache import scripts
from cache.config import CacheConfig, RedisStore, SemanticConfig
from cache.keys import digest
from cache.redis import RedisCache
from cache.types import CacheDown, Entry, Scope
from retrieval.types import Query
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.anyio

PREFIX = "{shared}:"
CONFIG = CacheConfig(semantic=SemanticConfig(enabled=True))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A Redis of our own, since it is emptied."""
    with redis_server(shared=False) as url:
        yield url


@pytest.fixture
async def redis(server: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(server) as client:
        yield client
        await client.flushall()


@asynccontextmanager
async def gateway(url: str, **fields: int) -> AsyncIterator[RedisCache]:
    store = RedisStore(kind="redis", url=SecretStr(url), prefix=PREFIX, timeout=10, **fields)
    cache = RedisCache(CONFIG, store)
    yield cache
    await cache.aclose()


def query(*towards: float) -> Query:
    vector = np.zeros(64, dtype=np.float32)
    vector[: len(towards)] = towards
    return Query("", vector / np.linalg.norm(vector))


async def fill(
    cache: RedisCache, number: int, similar: str = "s", asked: Query | None = None
) -> None:
    kept = Entry(b"", str(number), (f"{number}.md@1", "all.md@1"), time.time())
    scope = Scope(f"{similar}{number}", similar)
    await cache.fill(scope, kept, asked or query(1, number / 10_000))


async def near(cache: RedisCache, most: int = 8, similar: str = "s") -> set[str]:
    found = await cache.near(Scope("", similar), query(1), floor=0.9, most=most)
    return {each.entry.question for each in found}


async def test_a_large_scope_is_read_page_by_page_while_requests_go_on(
    server: str, redis: Redis
) -> None:
    async with gateway(server) as one, gateway(server) as other:
        await asyncio.gather(*(fill(one, number, asked=anything(number)) for number in range(700)))
        assert await other.near(Scope("", "s"), anything(0), floor=0.9)
        for _ in range(1_000):
            found = [await other.near(Scope("", "s"), anything(n), floor=0.9) for n in SOME]
            if all(found):
                break
            await asyncio.sleep(0.001)
        assert [near[0].entry.question for near in found] == [str(number) for number in SOME]


SOME = range(0, 700, 7)


def anything(number: int) -> Query:
    return query(*np.random.default_rng(number).normal(size=64))


async def test_many_that_are_gone_do_not_hide_the_few_that_are_left(
    server: str, redis: Redis
) -> None:
    async with gateway(server) as one, gateway(server) as other:
        for number in range(200):
            await fill(one, number)
        assert len(await near(other, 256)) == 200
        await one.retire([f"{number}.md@1" for number in range(199)])
        assert await near(other) == {"199"}


async def test_a_source_of_very_many_answers_is_retired_at_once_and_cleared_away_in_steps(
    server: str, redis: Redis
) -> None:
    async with gateway(server) as one, gateway(server) as other:
        await asyncio.gather(*(fill(one, number) for number in range(1_100)))
        first, left = await one._run(scripts.RETIRE, 100, digest("all.md@1"))
        assert (first, left) == (100, 1)
        assert await other.exact(Scope("s1099", "s")) is None
        await fill(other, 7)  # anew, from the same source
        # The one that was looked for is cleared away already.
        assert await one.retire(["all.md@1"]) == 1_000 - 1 + 1
        assert not [key async for key in redis.scan_iter(f"{PREFIX}[est]:*")]


async def test_a_redis_that_was_emptied_knows_nothing_and_learns_anew(
    server: str, redis: Redis
) -> None:
    async with gateway(server) as one, gateway(server) as other:
        await fill(one, 1)
        assert await near(other) == {"1"}
        await redis.flushall()
        assert await near(other) == set()
        await fill(one, 2)
        assert (await near(one), await near(other)) == ({"2"}, {"2"})


async def test_scripts_that_redis_has_lost_are_sent_again(server: str, redis: Redis) -> None:
    async with gateway(server) as cache:
        await fill(cache, 1)
        await redis.script_flush()
        assert await near(cache) == {"1"}


async def test_a_redis_that_was_put_back_to_an_earlier_state_is_followed(
    server: str, redis: Redis
) -> None:
    async with gateway(server) as one, gateway(server) as other:
        await fill(one, 1)
        earlier = {key: await redis.dump(key) async for key in redis.scan_iter(f"{PREFIX}*")}
        await fill(one, 2)
        await fill(one, 3)
        assert await near(other) == {"1", "2", "3"}
        await redis.flushall()
        for key, value in earlier.items():
            assert value
            await redis.restore(key, 3_600_000, value)
        assert await near(other) == {"1"}
        await fill(one, 4)
        assert await near(other) == {"1", "4"}


@pytest.mark.parametrize("kind", ["e:s1", "q:s", "l:s", "s:*"])
async def test_whatever_key_redis_evicts_nothing_retired_is_served_and_new_answers_are(
    server: str, redis: Redis, kind: str
) -> None:
    async with gateway(server) as one, gateway(server) as other:
        await fill(one, 1)
        assert await near(other) == {"1"}
        async for key in redis.scan_iter(f"{PREFIX}{kind}"):
            await redis.delete(key)
        await one.retire(["all.md@1"])
        assert await one.exact(Scope("s1", "s")) is None
        assert await near(other) == set()
        await fill(other, 2)
        assert (await near(one), await near(other)) == ({"2"}, {"2"})


async def test_an_answer_whose_source_is_no_longer_listed_is_not_served(
    server: str, redis: Redis
) -> None:
    async with gateway(server) as cache:
        await fill(cache, 1)
        async for key in redis.scan_iter(f"{PREFIX}s:*"):
            await redis.delete(key)
        assert await cache.exact(Scope("s1", "s")) is None


async def test_what_is_gone_leaves_nothing_behind(server: str, redis: Redis) -> None:
    async with gateway(server) as cache:
        for number in range(20):
            await fill(cache, number)
        await cache.purge()
        left = {key async for key in redis.scan_iter(f"{PREFIX}*")}
        assert left == {f"{PREFIX}q:s".encode()}  # the numbers of its changes go on
        assert await redis.hlen(f"{PREFIX}q:s") == 2


async def test_questions_whose_time_is_over_make_room_in_redis(server: str, redis: Redis) -> None:
    async with gateway(server) as cache:
        for number in range(10):
            old = Entry(b"", str(number), (), time.time() - CONFIG.ttl_seconds)
            await cache.fill(Scope(f"s{number}", "s"), old, query(1, number), stale_for=0.05)
        await asyncio.sleep(0.06)
        for number in range(10, 13):
            await fill(cache, number)
        assert await redis.zcard(f"{PREFIX}l:s") == 3


async def test_a_gateway_keeps_so_many_questions_at_hand_and_still_finds_those_of_any_scope(
    server: str, redis: Redis
) -> None:
    async with gateway(server, mirror_bytes=8_000) as cache:
        for similar in "abcdef":
            for number in range(5):
                await fill(cache, number, similar)
        for similar in "abcdefabc":
            assert len(await near(cache, similar=similar)) == 5
            assert cache._mirrors._bytes <= 8_000


async def test_the_numbers_of_a_large_store_are_reckoned(server: str, redis: Redis) -> None:
    async with gateway(server) as cache:
        for number in range(50):
            await fill(cache, number)
        small = await cache.stats()
        await redis.mset({f"{PREFIX}e:{n}": f"{time.time()!r} -\n[]\n" for n in range(20_000)})
        large = await cache.stats()
    assert (small.entries, small.questions, small.scopes, small.estimated) == (50, 50, 1, False)
    assert large.estimated
    assert large.entries == pytest.approx(20_050, rel=0.1)


async def test_all_of_it_works_on_a_node_of_a_cluster() -> None:
    options = ["--cluster-enabled", "yes", "--cluster-config-file", f"{uuid.uuid4().hex}.conf"]
    with redis_server(shared=False, options=options) as url:
        async with Redis.from_url(url) as redis:
            await redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]
            for _ in range(500):
                info = await redis.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
                if b"cluster_state:ok" in info:
                    break
                await asyncio.sleep(0.02)
        async with gateway(url) as cache:
            await fill(cache, 1)
            await fill(cache, 2)
            assert await near(cache) == {"1", "2"}
            assert await cache.retire(["1.md@1", "unknown.md@1"]) == 1
            assert await near(cache) == {"2"}
            assert (await cache.stats()).entries == 1
            assert await cache.purge(document="2.md") == 1


async def test_a_redis_that_was_started_again_is_filled_and_found_by_all() -> None:
    port = free_port()
    with redis_server(shared=False, port=port) as url:
        one = RedisCache(CONFIG, _store(url))
        other = RedisCache(CONFIG, _store(url))
        await fill(one, 1)
        assert await near(other) == {"1"}
    with pytest.raises(CacheDown):
        await near(other)
    with redis_server(shared=False, port=port):
        await asyncio.sleep(0.01)  # until it is heard that the connections were closed
        await fill(one, 2)
        assert await near(other) == {"2"}
        await one.aclose()
        await other.aclose()


def _store(url: str) -> RedisStore:
    return RedisStore(kind="redis", url=SecretStr(url), prefix=PREFIX, timeout=10, cool_down=0)
