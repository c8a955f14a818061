"""What every answer cache does."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr

from cache.config import CacheConfig, MemoryStore, RedisStore, SemanticConfig
from cache.memory import MemoryCache
from cache.redis import RedisCache
from cache.types import AnswerCache, Entry, Scope
from retrieval.types import Query

pytestmark = pytest.mark.anyio

CONFIG = CacheConfig(semantic=SemanticConfig(enabled=True, max_questions=3))
FLOOR = 0.9  # least cosine
SCOPE = Scope(exact="e1", similar="s")


def entry(
    value: bytes = b"30 days\n[1]", *, answer: str = "30 days", sources: str = "a.md@1"
) -> Entry:
    return Entry(value, "How long?", tuple(sources.split()), time.time(), answer)


def query(*towards: float) -> Query:
    vector = np.zeros(8, dtype=np.float32)
    vector[: len(towards)] = towards
    return Query("", vector / np.linalg.norm(vector))


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[AnswerCache]:
    opened: AnswerCache
    if request.param == "memory":
        opened = MemoryCache(CONFIG, MemoryStore())
    else:
        url = SecretStr(request.getfixturevalue("redis_url"))
        prefix = f"t{uuid.uuid4().hex}:"
        opened = RedisCache(CONFIG, RedisStore(kind="redis", url=url, prefix=prefix, timeout=10))
    yield opened
    await opened.aclose()


async def near(
    cache: AnswerCache, towards: Query, similar: str = "s", floor: float = FLOOR, **asked: float
) -> list[str]:
    """The answers to the nearest questions."""
    found = await cache.near(Scope("", similar), towards, floor=floor, **asked)  # type: ignore[arg-type]
    return [each.entry.answer for each in found]


async def test_knows_nothing_at_first(cache: AnswerCache) -> None:
    assert await cache.exact(SCOPE) is None
    assert await near(cache, query(1)) == []


async def test_gives_back_what_was_kept(cache: AnswerCache) -> None:
    kept = entry(b"\n\x00 any bytes \n", answer="thirty", sources="a.md@1 b.md@2")
    await cache.fill(SCOPE, kept, None)
    assert await cache.exact(SCOPE) == kept


async def test_another_scope_is_a_miss(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1))
    assert await cache.exact(replace(SCOPE, exact="e2")) is None
    assert await near(cache, query(1), "s2") == []


async def test_a_later_answer_replaces_an_earlier_one(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(b"old"), query(1))
    await cache.fill(SCOPE, entry(b"new"), query(1))
    found = await cache.exact(SCOPE)
    assert found
    assert found.value == b"new"
    (close,) = await cache.near(SCOPE, query(1), floor=FLOOR)
    assert close.entry.value == b"new"


async def test_a_similar_question_finds_the_answer(cache: AnswerCache) -> None:
    kept = entry()
    await cache.fill(SCOPE, kept, query(1, 0.1))
    (found,) = await cache.near(Scope("other", SCOPE.similar), query(1), floor=FLOOR)
    assert found.entry == kept
    assert found.key == SCOPE.exact
    assert found.cosine == pytest.approx(0.995, abs=0.001)


async def test_a_question_that_is_not_similar_enough_finds_nothing(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1, 1))
    assert await near(cache, query(1)) == []


async def test_an_answer_kept_without_its_question_is_found_exactly_only(
    cache: AnswerCache,
) -> None:
    await cache.fill(SCOPE, entry(), None)
    assert await near(cache, query(1)) == []
    assert await cache.exact(SCOPE) is not None


async def test_the_nearest_questions_come_first_and_only_so_many(cache: AnswerCache) -> None:
    for number, leaning in enumerate((0.3, 0.1, 0.2)):
        await cache.fill(Scope(f"e{number}", "s"), entry(answer=str(number)), query(1, leaning))
    assert await near(cache, query(1)) == ["1", "2", "0"]
    assert await near(cache, query(1), most=2) == ["1", "2"]
    assert await near(cache, query(1), floor=0.99) == ["1"]


async def test_compares_the_latest_questions_only(cache: AnswerCache) -> None:
    for number in range(4):
        kept = replace(entry(answer=str(number)), made_at=time.time() + number)
        await cache.fill(Scope(f"e{number}", "s"), kept, query(*[0.0] * number, 1))
    found = [await near(cache, query(*[0.0] * n, 1)) for n in range(4)]
    assert found == [[], ["1"], ["2"], ["3"]]


TTL = CONFIG.ttl_seconds


def aged(seconds: float, **fields: str) -> Entry:
    """An entry whose time has been over for this long."""
    return replace(entry(**fields), made_at=time.time() - TTL - seconds)  # type: ignore[arg-type]


async def test_a_stale_answer_is_found_only_by_who_asks_for_one(cache: AnswerCache) -> None:
    old = aged(100)
    await cache.fill(SCOPE, old, query(1), stale_for=1000)
    assert await cache.exact(SCOPE) is None
    assert await near(cache, query(1)) == []
    assert await cache.exact(SCOPE, stale_for=200) == old
    assert await near(cache, query(1), stale_for=200) == [old.answer]


async def test_an_answer_older_than_asked_for_is_not_found(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, aged(100), query(1), stale_for=1000)
    assert await cache.exact(SCOPE, stale_for=50) is None
    assert await near(cache, query(1), stale_for=50) == []


async def test_a_fresh_answer_is_found_by_who_takes_a_stale_one_too(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1), stale_for=1000)
    assert await cache.exact(SCOPE, stale_for=50) is not None
    assert await near(cache, query(1), stale_for=50) != []


async def test_a_stale_answer_does_not_hide_a_fresh_one(cache: AnswerCache) -> None:
    await cache.fill(Scope("e1", "s"), aged(100, answer="old"), query(1), stale_for=1000)
    await cache.fill(Scope("e2", "s"), entry(answer="new"), query(1, 0.1), stale_for=1000)
    assert await near(cache, query(1)) == ["new"]
    assert await near(cache, query(1), stale_for=1000) == ["old", "new"]


async def test_a_lower_floor_finds_a_less_similar_question(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1, 1))
    assert await near(cache, query(1), floor=0.8) == []
    assert await near(cache, query(1), floor=0.7) != []


async def test_another_scope_is_a_miss_however_loosely_it_is_asked(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, aged(1), query(1), stale_for=1000)
    assert await cache.exact(replace(SCOPE, exact="e2"), stale_for=1000) is None
    assert await near(cache, query(1), "s2", stale_for=1000, floor=0) == []


async def test_a_retired_source_takes_its_stale_answers_along(cache: AnswerCache) -> None:
    await cache.fill(Scope("e1", "s"), aged(1), query(1), stale_for=1000)
    await cache.fill(Scope("e2", "s"), entry(), None)  # does not shorten what is known of the first
    assert await cache.retire(["a.md@1"]) == 2
    assert await cache.exact(Scope("e1", "s"), stale_for=1000) is None
    assert await near(cache, query(1), stale_for=1000, floor=0) == []


async def test_forgets_the_answers_that_stand_on_a_retired_source(cache: AnswerCache) -> None:
    await cache.fill(Scope("e1", "s"), entry(answer="1", sources="a.md@1 b.md@1"), query(1))
    await cache.fill(Scope("e2", "s"), entry(answer="2", sources="b.md@1"), query(0, 1))
    await cache.fill(Scope("e3", "s"), entry(answer="3", sources="a.md@2"), query(0, 0, 1))
    assert await cache.retire(["a.md@1", "c.md@9"]) == 1
    known = [await cache.exact(Scope(f"e{n}", "s")) for n in (1, 2, 3)]
    assert [each and each.answer for each in known] == [None, "2", "3"]
    assert await near(cache, query(1)) == []
    assert await cache.retire(["a.md@1"]) == 0


async def test_retiring_nothing_forgets_nothing(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), None)
    assert await cache.retire([]) == 0
    assert await cache.exact(SCOPE) is not None


async def test_a_renewed_answer_keeps_its_age_its_question_and_its_sources(
    cache: AnswerCache,
) -> None:
    kept = entry()
    await cache.fill(SCOPE, kept, query(1))
    await cache.renew(SCOPE.exact, replace(kept, edition="8"))
    found = await cache.exact(SCOPE)
    assert found
    assert (found.edition, found.made_at) == ("8", kept.made_at)
    assert await near(cache, query(1)) == [kept.answer]
    assert await cache.retire(kept.sources) == 1


async def test_what_is_gone_or_was_answered_anew_is_not_renewed(cache: AnswerCache) -> None:
    kept = entry()
    await cache.renew(SCOPE.exact, kept)
    assert await cache.exact(SCOPE) is None
    later = replace(kept, made_at=kept.made_at + 1)
    await cache.fill(SCOPE, later, None)
    await cache.renew(SCOPE.exact, replace(kept, edition="8"))
    assert await cache.exact(SCOPE) == later


async def kept_of(cache: AnswerCache) -> list[bool]:
    return [await cache.exact(Scope(f"e{n}", "s")) is not None for n in range(4)]


async def filled(cache: AnswerCache) -> None:
    """Four answers: on two versions of a document, on another, on none in another collection."""
    for number, sources in enumerate(("a@b.md@1 c.md@1", "a@b.md@2", "b.md@1", "")):
        collection = "other" if number == 3 else "docs"
        kept = replace(entry(sources=sources), collection=collection)
        await cache.fill(Scope(f"e{number}", "s"), kept, query(*[0.0] * number, 1))


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({}, [False, False, False, False]),
        ({"document": "a@b.md"}, [False, False, True, True]),
        ({"document": "a"}, [True, True, True, True]),
        ({"collection": "docs"}, [False, False, False, True]),
        ({"key": "e2"}, [True, True, False, True]),
        ({"key": "e2", "collection": "other"}, [True, True, True, True]),
    ],
)
async def test_purges_what_matches(
    cache: AnswerCache, wanted: dict[str, str], left: list[bool]
) -> None:
    await filled(cache)
    assert await cache.purge(**wanted) == left.count(False)
    assert await kept_of(cache) == left
    assert await near(cache, query(0, 0, 1)) == (["30 days"] if left[2] else [])


async def test_says_what_it_holds(cache: AnswerCache) -> None:
    empty = await cache.stats()
    assert (empty.entries, empty.bytes, empty.oldest) == (0, 0, None)
    await filled(cache)
    held = await cache.stats()
    assert held.entries == 4
    assert held.bytes > 0
    assert held.oldest is not None
    assert held.newest is not None
    assert time.time() - 60 < held.oldest <= held.newest
