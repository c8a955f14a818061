"""A revision that is tried out beside the live one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.adapters.comparing import compared
from gateway.adapters.names import reference
from gateway.adapters.store import Draft
from gateway.ledger.queries import Queries
from gateway.ledger.types import Shadowed
from gateway.shadows import likeness
from tests.gateway.adapters.asking import QUESTION, Asked, asked

pytestmark = pytest.mark.anyio

ALWAYS = "[adapters.shadow]\nshare = 1.0\nmax_in_flight = 2"


@pytest.fixture
async def trial(tmp_path: Path) -> AsyncIterator[Asked]:
    async with asked(tmp_path, ALWAYS) as trial:
        trial.add("support")
        trial.add("support")
        yield trial


def shadowed(trial: Asked, alias: str = "shadow", wanted: str = "support@2") -> None:
    trial.store.lead("", reference(wanted), alias)
    trial.gateway.adapters.refresh()


async def seen(trial: Asked, requests: int) -> list[Shadowed]:
    """What the ledger has, once so much is in it."""
    queries, ledger = Queries(trial.store.database), trial.gateway.accounting.ledger
    for _ in range(100):
        await asyncio.to_thread(ledger.flush)
        found = await asyncio.to_thread(queries.shadowed, "support@2")
        if len(found) >= requests:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"only {len(found)} of {requests} were asked")


async def test_nobody_is_answered_by_the_shadow_and_the_ledger_has_both(trial: Asked) -> None:
    shadowed(trial)
    assert await trial.answer("support") == "support@1, 1"
    (one,) = await seen(trial, 1)
    assert trial.engine.asked == ["support@1", "support@2"]
    assert (one.status, one.live) == (200, "vllm/support@1")
    assert one.likeness is not None
    assert 0 < one.likeness < 1
    assert [figures["tokens"] for figures in one.figures] == [1000, 1000]


async def test_without_a_shadow_nothing_more_is_asked(trial: Asked) -> None:
    await trial.answer("support")
    await trial.answer("support@2")
    assert trial.engine.asked == ["support@1", "support@2"]


async def test_only_the_live_revision_is_followed(trial: Asked) -> None:
    trial.add("support")
    shadowed(trial)
    await trial.answer("support@3")
    await trial.answer("support@2")
    assert trial.engine.asked == ["support@3", "support@2"]


async def test_what_is_promoted_is_no_shadow_any_more(trial: Asked) -> None:
    shadowed(trial)
    shadowed(trial, "live")
    assert await trial.answer("support") == "support@2, 1"
    assert trial.engine.asked == ["support@2"]


ABROAD = """
[providers.abroad]
kind = "vllm"
base_url = "http://127.0.0.1:1/v1"
region = "US"
models = [{ name = "tiny" }]
lora = { slots = 4 }
[dispatch]
retries = 0
"""


async def test_what_has_to_stay_in_a_region_is_put_to_no_shadow_elsewhere(tmp_path: Path) -> None:
    async with asked(tmp_path, ABROAD + ALWAYS) as trial:
        first = trial.add("support")
        there = Draft("", "support", "abroad", first.source, first.facts)
        trial.store.add(there)
        shadowed(trial)
        for region in ("EU", ""):
            await trial.answer("support", trial.key("acme", region=region))
        assert len(await seen(trial, 1)) == 1


async def test_a_stream_is_followed_when_it_has_ended(trial: Asked) -> None:
    shadowed(trial)
    stream = await trial.client().chat.completions.create(
        model="support", messages=QUESTION, stream=True
    )
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert said == "support@1, 1"
    (one,) = await seen(trial, 1)
    assert one.likeness is not None


async def test_a_shadow_that_fails_harms_nobody_and_is_written_down(trial: Asked) -> None:
    shadowed(trial)
    trial.engine.refused = "support@2"
    assert await trial.answer("support") == "support@1, 1"
    (one,) = await seen(trial, 1)
    assert (one.status, one.likeness, len(one.figures)) == (400, None, 1)


async def test_a_shadow_spends_nothing_of_a_key(trial: Asked) -> None:
    shadowed(trial)
    key = trial.key("sales", budget_usd=1)
    await trial.answer("support", key)
    await seen(trial, 1)
    queries = Queries(trial.store.database)
    caller = trial.gateway.accounts.identify(f"Bearer {key}").key
    live, shadow = [await asyncio.to_thread(queries.spent, each, 0) for each in (caller, "shadow")]
    assert live == shadow > 0


def one(seconds: float, likeness: float | None = 1.0, live: str = "v/a@1") -> Shadowed:
    figures = (
        {"seconds": 1.0, "tokens": 10.0, "faithfulness": None},
        {"seconds": seconds, "tokens": 12.0, "faithfulness": 0.5},
    )
    return Shadowed(0.0, 200, live, figures, likeness)


def test_what_was_compared_with_an_earlier_live_revision_does_not_count() -> None:
    found = compared([one(9.0, live="v/a@0"), one(2.0), one(2.0, 0.5)])
    assert found is not None
    assert (found.live, found.asked, found.failed) == ("v/a@1", 2, 0)
    assert (found.likeness, found.same) == (0.75, 0.5)
    assert found.figures["seconds"].shadow == 2.0
    assert "faithfulness" not in found.figures  # the live ones were not grounded


def test_a_difference_is_told_only_of_enough_pairs() -> None:
    few, many = compared([one(2.0)] * 49), compared([one(2.0), one(2.1)] * 50)
    assert few is not None
    assert many is not None
    assert few.figures["seconds"].difference is None
    apart = many.figures["seconds"].difference
    assert apart is not None
    assert apart.decided
    assert apart.low < 1.05 < apart.high


def test_what_fails_is_counted_and_compared_with_nothing() -> None:
    failed = Shadowed(0.0, 503, "v/a@1", ({"seconds": 1.0, "tokens": 1.0, "faithfulness": None},))
    found = compared([failed, one(2.0)])
    assert found is not None
    assert (found.asked, found.failed, found.figures["seconds"].pairs) == (2, 1, 1)
    assert compared([]) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("same", "same", 1.0), ("", "", None), ("a", "", None), ("abcd", "abxx", 0.5)],
)
def test_likeness(first: str, second: str, expected: float | None) -> None:
    assert likeness(first, second) == expected
