"""What every answer cache does."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
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
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(kind: str, request: pytest.FixtureRequest, config: CacheConfig) -> list[AnswerCache]:
    """A store as each of the gateways has it that share it."""
    if kind == "memory":
        return [MemoryCache(config, MemoryStore())]
    url, prefix = SecretStr(request.getfixturevalue("redis_url")), f"t{uuid.uuid4().hex}:"
    store = RedisStore(kind="redis", url=url, prefix=prefix, timeout=10)
    return [RedisCache(config, store), RedisCache(config, store)]


@pytest.fixture
async def cache(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[AnswerCache]:
    caches = opened(kind, request, CONFIG)
    yield caches[0]
    for each in caches:
        await each.aclose()


@pytest.fixture
async def gateways(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[list[AnswerCache]]:
    semantic = SemanticConfig(enabled=True, max_questions=1_000)
    caches = opened(kind, request, CONFIG.model_copy(update={"semantic": semantic}))
    yield caches
    for each in caches:
        await each.aclose()


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


class Model:
    """What a cache should do, in the plainest words."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Entry, float]] = {}  # with the seconds that it is kept as stale

    def serves(self, key: str, stale_for: float) -> bool:
        if key not in self.kept:
            return False
        kept, stale = self.kept[key]
        return time.time() - kept.made_at - TTL < min(stale, stale_for)

    def forget(self, keys: Iterable[str]) -> int:
        gone = [key for key in keys if self.serves(key, float("inf"))]
        for key in gone:
            del self.kept[key]
        return len(gone)

    def standing(self, sources: Sequence[str]) -> list[str]:
        return [key for key, (kept, _) in self.kept.items() if set(kept.sources) & set(sources)]

    def near(self, similar: str, towards: Query, floor: float, stale_for: float) -> set[str]:
        return {
            key
            for key in self.kept
            if key.startswith(similar) and self.serves(key, stale_for)
            if QUESTIONS[key].vector @ towards.vector >= floor
        }


SOURCES = [f"{name}.md@{version}" for name in "abcd" for version in (1, 2)]
KEYS = [f"{similar}{number}" for similar in "st" for number in range(40)]
QUESTIONS = {key: query(*np.random.default_rng(at).normal(size=8)) for at, key in enumerate(KEYS)}


OFTEN = {"fill": 6, "exact": 4, "near": 6, "retire": 1, "renew": 1, "purge": 1}


@pytest.mark.parametrize("seed", range(3))
async def test_does_what_a_plain_model_does_whatever_is_asked_of_it(
    gateways: list[AnswerCache], seed: int
) -> None:
    dice, model = random.Random(seed), Model()
    for _ in range(500):
        cache, key = dice.choice(gateways), dice.choice(KEYS)
        stale_for = dice.choice([0.0, 1_000.0])
        match dice.choices(list(OFTEN), list(OFTEN.values()))[0]:
            case "fill":
                sources = tuple(dice.sample(SOURCES, dice.randrange(4)))
                made = time.time() - dice.choice([0, 0, TTL + 500])
                kept = Entry(dice.randbytes(8), key, sources, made, collection=dice.choice("xy"))
                model.kept[key] = kept, stale_for
                await cache.fill(Scope(key, key[0]), kept, QUESTIONS[key], stale_for=stale_for)
            case "exact":
                expected = model.kept[key][0] if model.serves(key, stale_for) else None
                assert await cache.exact(Scope(key, key[0]), stale_for=stale_for) == expected
            case "near":
                asked, floor = QUESTIONS[key], dice.choice([0.2, 0.5, 0.9])
                found = await cache.near(
                    Scope("", key[0]), asked, floor=floor, most=100, stale_for=stale_for
                )
                # Vectors are kept a little coarsely: what lies at the floor may be in or out.
                names = {each.key for each in found}
                assert names <= model.near(key[0], asked, floor - 0.01, stale_for)
                assert names >= model.near(key[0], asked, floor + 0.01, stale_for)
                assert all(each.entry == model.kept[each.key][0] for each in found)
                cosines = [each.cosine for each in found]
                assert cosines == sorted(cosines, reverse=True)
            case "retire":
                sources = tuple(dice.sample(SOURCES, 2))
                assert await cache.retire(sources) == model.forget(model.standing(sources))
            case "renew" if key in model.kept:
                renewed = replace(model.kept[key][0], edition=str(dice.random()))
                model.kept[key] = renewed, model.kept[key][1]
                await cache.renew(key, renewed)
            case "purge":
                name, where = dice.choice("abcd") + ".md", dice.choice("xy")
                meant = [k for k, (kept, _) in model.kept.items() if kept.matches(name, where)]
                assert await cache.purge(document=name, collection=where) == model.forget(meant)
    held = await gateways[0].stats()
    assert held.entries == sum(model.serves(key, float("inf")) for key in model.kept)


async def test_answers_that_come_and_go_at_once_leave_nothing_that_was_retired(
    gateways: list[AnswerCache],
) -> None:
    """Whatever stands on a source when it is retired is gone, however many fill meanwhile."""
    gone = set[int]()

    async def fill(number: int) -> None:
        kept = entry(sources=f"a.md@{number % 10} b.md@1")
        await gateways[number % len(gateways)].fill(Scope(f"e{number}", "s"), kept, query(1))

    async def retire(version: int) -> None:
        await gateways[version % len(gateways)].retire([f"a.md@{version}"])
        gone.add(version)
        for cache in gateways:
            served = await cache.near(Scope("", "s"), query(1), floor=0, most=300)
            stood = {int(each.entry.sources[0].rpartition("@")[2]) for each in served}
            assert not stood & gone

    await asyncio.gather(*(fill(number) for number in range(200)))
    await asyncio.gather(
        *(retire(version) for version in range(5)),
        *(fill(number) for number in range(200) if number % 10 >= 5),
    )
    left = [await gateways[0].exact(Scope(f"e{number}", "s")) for number in range(200)]
    assert [number for number, each in enumerate(left) if each] == [
        number for number in range(200) if number % 10 >= 5
    ]


async def test_one_of_many_sources_is_enough_to_go(cache: AnswerCache) -> None:
    sources = " ".join(f"{number}.md@1" for number in range(300))
    await cache.fill(SCOPE, entry(sources=sources), query(1))
    assert await cache.retire(["unknown.md@1", "299.md@1"]) == 1
    assert await cache.exact(SCOPE) is None
    assert await cache.retire([f"{number}.md@1" for number in range(300)]) == 0


async def test_an_answer_from_other_sources_does_not_stand_on_the_earlier_ones(
    cache: AnswerCache,
) -> None:
    await cache.fill(SCOPE, entry(sources="a.md@1"), query(1))
    await cache.fill(SCOPE, entry(sources="b.md@1"), query(1))
    assert await cache.retire(["a.md@1"]) == 0
    assert await cache.exact(SCOPE) is not None


async def test_what_is_kept_does_not_live_longer_for_being_filled_late(cache: AnswerCache) -> None:
    await cache.fill(SCOPE, aged(100), query(1), stale_for=50)
    assert await cache.exact(SCOPE, stale_for=1000) is None
    assert (await cache.stats()).entries == 0


async def test_gateways_see_what_others_fill_and_retire_at_once(
    gateways: list[AnswerCache],
) -> None:
    one, other = gateways[0], gateways[-1]
    for number in range(20):
        kept = entry(answer=str(number), sources=f"a.md@{number}")
        await one.fill(Scope(f"e{number}", "s"), kept, query(1, number / 100))
        assert (await near(other, query(1, number / 100), most=20)).count(str(number)) == 1
        await other.retire([f"a.md@{number - 1}"])
        assert await near(one, query(1), most=20) == [str(number)]
