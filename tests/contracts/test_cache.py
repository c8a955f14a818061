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

CONFIG = CacheConfig(
    semantic=SemanticConfig(enabled=True, threshold=0.9, margin=0.05, max_questions=3)
)
SCOPE = Scope(exact="e1", similar="s1")


def entry(value: bytes = b"30 days\n[1]", *, answer: str = "", sources: str = "a.md@1") -> Entry:
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


async def test_knows_nothing_at_first(cache: AnswerCache) -> None:
    assert await cache.exact(SCOPE) is None
    assert await cache.near(SCOPE, query(1)) is None


async def test_gives_back_what_was_kept(cache: AnswerCache) -> None:
    kept = entry(b"\n\x00 any bytes \n", answer="thirty", sources="a.md@1 b.md@2")
    await cache.fill(SCOPE, kept, None)
    assert await cache.exact(SCOPE) == kept


async def test_another_scope_is_a_miss(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1))
    assert await cache.exact(replace(SCOPE, exact="e2")) is None
    assert await cache.near(replace(SCOPE, similar="s2"), query(1)) is None


async def test_a_later_answer_replaces_an_earlier_one(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(b"old"), query(1))
    await cache.fill(SCOPE, entry(b"new"), query(1))
    found = [await cache.exact(SCOPE), await cache.near(SCOPE, query(1))]
    assert [each and each.value for each in found] == [b"new", b"new"]


async def test_a_similar_question_finds_the_answer(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1, 0.1))
    found = await cache.near(Scope("other", SCOPE.similar), query(1))
    assert found is not None
    assert found.value == entry().value


async def test_a_question_that_is_not_similar_enough_finds_nothing(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), query(1, 1))
    assert await cache.near(SCOPE, query(1)) is None


async def test_an_answer_kept_without_its_question_is_found_exactly_only(
    cache: AnswerCache,
) -> None:
    await cache.fill(SCOPE, entry(), None)
    assert await cache.near(SCOPE, query(1)) is None
    assert await cache.exact(SCOPE) is not None


async def test_two_near_questions_with_different_answers_are_both_a_miss(
    cache: AnswerCache,
) -> None:
    await cache.fill(Scope("e1", "s"), entry(answer="30 days"), query(1, 0.1))
    await cache.fill(Scope("e2", "s"), entry(answer="60 days"), query(1, -0.1))
    assert await cache.near(Scope("e3", "s"), query(1)) is None


async def test_two_near_questions_with_the_same_answer_are_a_hit(cache: AnswerCache) -> None:
    await cache.fill(Scope("e1", "s"), entry(b"id 1", answer="30 days"), query(1, 0.1))
    await cache.fill(Scope("e2", "s"), entry(b"id 2", answer="30 days"), query(1, -0.2))
    found = await cache.near(Scope("e3", "s"), query(1))
    assert found is not None
    assert found.value == b"id 1"


async def test_compares_the_latest_questions_only(cache: AnswerCache) -> None:
    for number in range(4):
        kept = replace(entry(answer=str(number)), made_at=time.time() + number)
        await cache.fill(Scope(f"e{number}", "s"), kept, query(*[0.0] * number, 1))
    found = [await cache.near(Scope("", "s"), query(*[0.0] * n, 1)) for n in range(4)]
    assert [each and each.answer for each in found] == [None, "1", "2", "3"]


async def test_forgets_the_answers_that_stand_on_a_retired_source(cache: AnswerCache) -> None:
    await cache.fill(Scope("e1", "s"), entry(answer="1", sources="a.md@1 b.md@1"), query(1))
    await cache.fill(Scope("e2", "s"), entry(answer="2", sources="b.md@1"), query(0, 1))
    await cache.fill(Scope("e3", "s"), entry(answer="3", sources="a.md@2"), query(0, 0, 1))
    assert await cache.retire(["a.md@1", "c.md@9"]) == 1
    known = [await cache.exact(Scope(f"e{n}", "s")) for n in (1, 2, 3)]
    assert [each and each.answer for each in known] == [None, "2", "3"]
    assert await cache.near(Scope("", "s"), query(1)) is None
    assert await cache.retire(["a.md@1"]) == 0


async def test_retiring_nothing_forgets_nothing(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, entry(), None)
    assert await cache.retire([]) == 0
    assert await cache.exact(SCOPE) is not None
