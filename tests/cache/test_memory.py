"""What the cache in this process does about time and space."""

from __future__ import annotations

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
    cache = opened(size=12_000)
    for number in range(20):
        await cache.fill(scope(str(number)), entry(b"x" * 1_000), None)
    kept = [n for n in range(20) if await cache.exact(scope(str(n)))]
    assert kept == [15, 16, 17, 18, 19]
    assert (await cache.stats()).bytes <= 12_000


async def test_an_answer_larger_than_the_cache_displaces_nothing() -> None:
    cache = opened(size=10_000)
    await cache.fill(scope("a"), entry(), None)
    await cache.fill(scope("b"), entry(b"x" * 20_000), None)
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
