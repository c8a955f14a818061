"""What the cache in this process does about time and space."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from cache.config import CacheConfig, MemoryStore, SemanticConfig
from cache.memory import MemoryCache
from cache.types import Entry, Scope
from retrieval.types import Query

pytestmark = pytest.mark.anyio

CONFIG = CacheConfig(ttl_seconds=60, semantic=SemanticConfig(enabled=True))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(value: bytes = b"answer", made_at: float = 0.0) -> Entry:
    return Entry(value, "?", ("a.md@1",), made_at)


def scope(name: str) -> Scope:
    return Scope(name, "s")


def query(seed: int) -> Query:
    vector = np.zeros(4, dtype=np.float32)
    vector[seed] = 1
    return Query("", vector)


def opened(clock: Clock | None = None, entries: int = 100, size: int = 2**20) -> MemoryCache:
    store = MemoryStore(max_entries=entries, max_bytes=size)
    return MemoryCache(CONFIG, store, clock or Clock())


async def test_an_answer_has_its_time() -> None:
    clock = Clock()
    cache = opened(clock)
    await cache.fill(scope("a"), entry(), query(0))
    clock.now = 59.9
    assert await cache.exact(scope("a")) is not None
    assert await cache.near(scope("b"), query(0), floor=0.9) != []
    clock.now = 60
    assert await cache.near(scope("b"), query(0), floor=0.9) == []
    assert await cache.exact(scope("a")) is None


async def test_the_least_recently_used_makes_room() -> None:
    cache = opened(entries=2)
    await cache.fill(scope("a"), entry(), None)
    await cache.fill(scope("b"), entry(), None)
    await cache.exact(scope("a"))
    await cache.fill(scope("c"), entry(), None)
    assert [bool(await cache.exact(scope(n))) for n in "abc"] == [True, False, True]


async def test_stays_within_its_bytes() -> None:
    cache = opened(entries=1_000, size=240_000)
    for number in range(200):
        await cache.fill(scope(str(number)), entry(b"x" * 1_000), None)
    kept = [n for n in range(200) if await cache.exact(scope(str(n)))]
    assert kept == [*range(200 - len(kept), 200)]
    assert 225_000 < (await cache.stats()).bytes <= 240_000


async def test_an_answer_of_more_than_its_share_displaces_nothing() -> None:
    cache = opened(size=640_000)
    await cache.fill(scope("a"), entry(b"x" * 8_000), None)
    await cache.fill(scope("b"), entry(b"x" * 10_000), None)
    assert await cache.exact(scope("a")) is not None
    assert await cache.exact(scope("b")) is None


async def test_what_made_room_is_not_found_by_similarity_either() -> None:
    cache = opened(entries=1)
    await cache.fill(scope("a"), entry(b"a"), query(0))
    await cache.fill(scope("b"), entry(b"b"), query(1))
    assert await cache.near(scope("c"), query(0), floor=0.9) == []
    assert await cache.near(scope("c"), query(1), floor=0.9) != []


async def test_a_stale_answer_is_kept_for_as_long_as_it_was_asked_for() -> None:
    clock = Clock()
    cache = opened(clock)
    await cache.fill(scope("a"), entry(), query(0), stale_for=30)
    clock.now = 89.9
    assert await cache.exact(scope("a")) is None
    assert await cache.exact(scope("a"), stale_for=300) is not None
    clock.now = 90
    assert await cache.exact(scope("a"), stale_for=300) is None
    assert await cache.near(scope("b"), query(0), stale_for=300, floor=0.9) == []


async def test_what_was_retired_is_not_found_while_it_is_being_forgotten() -> None:
    cache = opened(entries=5_000, size=2**25)
    for number in range(3_000):
        await cache.fill(scope(str(number)), entry(), None)
    retiring = asyncio.create_task(cache.retire(["a.md@1"]))
    turns = 0
    while not retiring.done():
        await asyncio.sleep(0)
        turns += 1
        assert await cache.exact(scope("2999")) is None
    assert retiring.result() == 3_000
    assert turns >= 6  # others had theirs


async def test_an_answer_that_is_kept_anew_meanwhile_stays() -> None:
    cache = opened(entries=5_000, size=2**25)
    for number in range(3_000):
        await cache.fill(scope(str(number)), entry(), None)
    retiring = asyncio.create_task(cache.retire(["a.md@1"]))
    await asyncio.sleep(0)
    await cache.fill(scope("2999"), Entry(b"new", "?", ("a.md@2",), 0.0), None)
    await retiring
    assert await cache.exact(scope("2999")) is not None
    assert (await cache.stats()).entries == 1


@pytest.mark.parametrize("work", ["stats", "purge"])
async def test_others_have_their_turn_while_all_is_gone_through(work: str) -> None:
    cache = opened(entries=5_000, size=2**25)
    for number in range(3_000):
        await cache.fill(scope(str(number)), entry(), None)
    working, turns = asyncio.create_task(getattr(cache, work)()), 0
    while not working.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 6


async def test_what_is_filled_anew_leaves_nothing_behind_to_go_through() -> None:
    cache = opened()
    for _ in range(300):
        await cache.fill(scope("a"), entry(), None)
    assert len(cache._ends) == 1
