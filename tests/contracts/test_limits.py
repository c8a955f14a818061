"""What limits do, whoever counts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from gateway.accounts.config import RedisStore
from gateway.accounts.limits import UNLIMITED, Hold, Limits
from gateway.accounts.memory import MemoryLimits
from gateway.accounts.redis import RedisLimits
from gateway.errors import BudgetSpent, RateLimited
from gateway.types import Caller

pytestmark = pytest.mark.anyio

MID_MONTH = datetime(2026, 11, 15, 12, tzinfo=UTC).timestamp()


@dataclass
class Clock:
    now: float = MID_MONTH

    def __call__(self) -> float:
        return self.now


@dataclass
class Ledger:
    """What was spent before, and how often it was asked."""

    before: float = 0.0
    asked: list[tuple[str, float]] = field(default_factory=list)
    fails: bool = False

    def spent(self, key: str, since: float) -> float:
        self.asked.append((key, since))
        if self.fails:
            raise OSError("the ledger is away")
        return self.before


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(params=["memory", "redis"])
async def limits(
    request: pytest.FixtureRequest, clock: Clock, ledger: Ledger
) -> AsyncIterator[Limits]:
    if request.param == "memory":
        yield MemoryLimits(ledger, clock)
        return
    url = SecretStr(request.getfixturevalue("redis_url"))
    # A slow machine is not a Redis that is down.
    store = RedisStore(kind="redis", url=url, prefix=f"{uuid.uuid4().hex}:", timeout=10)
    shared = RedisLimits(store, ledger, clock)
    yield shared
    await shared.close()


async def settled(limits: Limits) -> None:
    """Settling happens behind the response; wait for it where it does."""
    if isinstance(limits, RedisLimits):
        await limits.settled()


def caller(**limited: float | None) -> Caller:
    return Caller(key="k_1", name="ops", **limited)  # type: ignore[arg-type]


async def reserved(
    limits: Limits, caller: Caller, times: int, tokens: int = 0, cost_usd: float = 0.0
) -> list[Hold]:
    """As many as were let in of so many at once."""

    async def one() -> Hold | None:
        try:
            return await limits.reserve(caller, tokens, cost_usd)
        except RateLimited:
            return None

    holds = await asyncio.gather(*(one() for _ in range(times)))
    return [hold for hold in holds if hold is not None]


async def test_a_key_without_limits_costs_nothing(limits: Limits, ledger: Ledger) -> None:
    assert await limits.reserve(caller(), 10**9, 10**9) is UNLIMITED
    assert ledger.asked == []


async def test_a_minutes_requests_may_come_at_once(limits: Limits) -> None:
    assert len(await reserved(limits, caller(requests_per_minute=7), times=20)) == 7


async def test_requests_flow_back_evenly(limits: Limits, clock: Clock) -> None:
    limited = caller(requests_per_minute=6)
    await reserved(limits, limited, times=6)
    with pytest.raises(RateLimited) as refused:
        await limits.reserve(limited, 0, 0.0)
    assert refused.value.retry_after == pytest.approx(10, abs=0.01)
    clock.now += 10
    assert len(await reserved(limits, limited, times=5)) == 1
    clock.now += 3600
    assert len(await reserved(limits, limited, times=20)) == 6


async def test_tokens_are_reserved_before_and_settled_after(limits: Limits) -> None:
    limited = caller(tokens_per_minute=1000)
    first, second = await reserved(limits, limited, times=5, tokens=500)
    await first.settle(100, 0.0)
    await settled(limits)
    assert len(await reserved(limits, limited, times=5, tokens=200)) == 2
    await second.settle(500, 0.0)


async def test_tokens_that_were_not_foreseen_are_charged(limits: Limits, clock: Clock) -> None:
    limited = caller(tokens_per_minute=1000)
    hold = await limits.reserve(limited, 100, 0.0)
    await hold.settle(1600, 0.0)
    await settled(limits)
    clock.now += 30
    with pytest.raises(RateLimited) as refused:
        await limits.reserve(limited, 100, 0.0)
    assert refused.value.retry_after == pytest.approx(12, abs=0.01)


async def test_a_request_that_could_never_fit_is_told_so(limits: Limits) -> None:
    with pytest.raises(RateLimited, match="too large") as refused:
        await limits.reserve(caller(tokens_per_minute=1000), 1001, 0.0)
    assert refused.value.retry_after is None


async def test_a_refused_request_takes_nothing(limits: Limits) -> None:
    limited = caller(requests_per_minute=5, tokens_per_minute=1000, budget_usd=1.0)
    assert await reserved(limits, limited, times=5, tokens=5000) == []
    assert await reserved(limits, limited, times=5, cost_usd=2.0) == []
    assert len(await reserved(limits, limited, times=9, tokens=200, cost_usd=0.2)) == 4 + 1


async def test_requests_at_once_cannot_overrun_a_budget(limits: Limits) -> None:
    holds = await reserved(limits, caller(budget_usd=1.0), times=50, cost_usd=0.1)
    assert len(holds) == 10


async def test_what_is_settled_below_its_estimate_leaves_room(limits: Limits) -> None:
    limited = caller(budget_usd=1.0)
    for hold in await reserved(limits, limited, times=10, cost_usd=0.1):
        await hold.settle(10, 0.01)
    await settled(limits)
    assert len(await reserved(limits, limited, times=20, cost_usd=0.1)) == 9


async def test_what_is_released_costs_nothing(limits: Limits) -> None:
    limited = caller(budget_usd=1.0, tokens_per_minute=100)
    (hold,) = await reserved(limits, limited, times=3, tokens=100, cost_usd=1.0)
    await hold.release()
    await settled(limits)
    assert len(await reserved(limits, limited, times=3, tokens=100, cost_usd=1.0)) == 1


async def test_a_hold_is_over_only_once(limits: Limits) -> None:
    limited = caller(budget_usd=1.0, tokens_per_minute=100)
    hold = await limits.reserve(limited, 50, 0.5)
    await hold.settle(50, 0.5)
    await hold.settle(50, 0.5)
    await hold.release()
    await settled(limits)
    assert len(await reserved(limits, limited, times=3, tokens=50, cost_usd=0.5)) == 1


async def test_a_hold_that_is_extended_is_still_one_request(limits: Limits) -> None:
    limited = caller(requests_per_minute=1, tokens_per_minute=1000, budget_usd=1.0)
    hold = await limits.reserve(limited, 100, 0.1)
    await hold.extend(600, 0.6)
    await hold.release()
    await settled(limits)
    others = replace(limited, requests_per_minute=None)
    assert len(await reserved(limits, others, times=2, tokens=500, cost_usd=0.5)) == 2


async def test_what_a_hold_is_extended_by_is_taken(limits: Limits) -> None:
    limited = caller(tokens_per_minute=1000, budget_usd=1.0)
    hold = await limits.reserve(limited, 100, 0.1)
    await hold.extend(600, 0.6)
    assert len(await reserved(limits, limited, times=9, tokens=100)) == 4
    assert len(await reserved(limits, limited, times=9, cost_usd=0.1)) == 4
    await hold.extend(300, 0.3)  # less than it has
    assert await reserved(limits, limited, times=3, tokens=100) == []


async def test_an_extended_hold_is_settled_with_what_was_used(limits: Limits) -> None:
    limited = caller(tokens_per_minute=1000, budget_usd=1.0)
    hold = await limits.reserve(limited, 100, 0.1)
    await hold.extend(1000, 1.0)
    await hold.settle(400, 0.4)
    await settled(limits)
    assert len(await reserved(limits, limited, times=20, tokens=100, cost_usd=0.1)) == 6


@pytest.mark.parametrize("more", [(1001, 0.1), (100, 1.1)])
async def test_an_extension_that_does_not_fit_takes_nothing(
    limits: Limits, more: tuple[int, float]
) -> None:
    limited = caller(tokens_per_minute=1000, budget_usd=1.0)
    hold = await limits.reserve(limited, 100, 0.1)
    with pytest.raises(RateLimited, match=r"too large|used up"):
        await hold.extend(*more)
    assert len(await reserved(limits, limited, times=20, tokens=100, cost_usd=0.1)) == 9
    await hold.settle(0, 0.0)
    await settled(limits)
    assert len(await reserved(limits, limited, times=20, tokens=100, cost_usd=0.1)) == 1


async def test_a_budget_begins_with_what_the_ledger_knows(limits: Limits, ledger: Ledger) -> None:
    ledger.before = 0.75
    assert len(await reserved(limits, caller(budget_usd=1.0), times=10, cost_usd=0.1)) == 2
    month = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert set(ledger.asked) == {("k_1", month)}


async def test_the_ledger_is_asked_once_a_month(limits: Limits, ledger: Ledger) -> None:
    await limits.reserve(caller(budget_usd=1.0), 0, 0.1)
    await reserved(limits, caller(budget_usd=1.0), times=5, cost_usd=0.1)
    assert len(ledger.asked) == 1


async def test_a_spent_budget_begins_anew_with_the_month(limits: Limits, clock: Clock) -> None:
    limited = caller(budget_usd=1.0)
    hold = await limits.reserve(limited, 0, 1.0)
    await hold.settle(0, 1.0)
    await settled(limits)
    with pytest.raises(BudgetSpent, match="2026-12-01") as refused:
        await limits.reserve(limited, 0, 0.1)
    assert refused.value.retry_after == pytest.approx(15.5 * 86_400)
    clock.now += 15.5 * 86_400
    assert len(await reserved(limits, limited, times=20, cost_usd=0.1)) == 10


async def test_a_request_of_last_month_does_not_burden_this_one(
    limits: Limits, clock: Clock
) -> None:
    limited = caller(budget_usd=1.0)
    hold = await limits.reserve(limited, 0, 0.5)
    clock.now += 16 * 86_400
    await reserved(limits, limited, times=1, cost_usd=0.1)
    await hold.settle(0, 0.5)
    await settled(limits)
    assert len(await reserved(limits, limited, times=20, cost_usd=0.1)) == 9


async def test_a_budget_that_others_have_reserved_is_worth_another_try(limits: Limits) -> None:
    limited = caller(budget_usd=1.0)
    await limits.reserve(limited, 0, 1.0)
    with pytest.raises(BudgetSpent, match="under way") as refused:
        await limits.reserve(limited, 0, 0.5)
    assert refused.value.retry_after == 1.0


async def test_an_overrun_is_no_larger_than_the_error_of_the_estimate(limits: Limits) -> None:
    limited = caller(budget_usd=1.0)
    hold = await limits.reserve(limited, 0, 0.9)
    await hold.settle(0, 1.4)
    await settled(limits)
    assert await reserved(limits, limited, times=3, cost_usd=0.0) == []


async def test_keys_do_not_share(limits: Limits) -> None:
    await reserved(limits, caller(requests_per_minute=1), times=1)
    other = Caller(key="k_2", name="ops", requests_per_minute=1)
    assert len(await reserved(limits, other, times=2)) == 1


async def test_a_ledger_that_is_away_stops_no_request(
    limits: Limits, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.fails = True
    assert len(await reserved(limits, caller(budget_usd=1.0), times=20, cost_usd=0.1)) == 10
    assert "is not known" in caplog.text


async def test_a_reservation_says_what_is_left(limits: Limits, clock: Clock) -> None:
    limited = caller(requests_per_minute=60, tokens_per_minute=600)
    await limits.reserve(limited, 100, 0)
    clock.now += 5.0  # five requests and fifty tokens flow back
    hold = await limits.reserve(limited, 100, 0)
    assert dict(hold.headers()) == {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"59",
        b"x-ratelimit-reset-requests": b"1.000s",
        b"x-ratelimit-limit-tokens": b"600",
        b"x-ratelimit-remaining-tokens": b"450",
        b"x-ratelimit-reset-tokens": b"15.000s",
    }


async def test_only_rates_that_are_limited_are_told(limits: Limits) -> None:
    assert (await limits.reserve(caller(), 1, 0)).headers() == ()
    assert (await limits.reserve(caller(budget_usd=5.0), 1, 0)).headers() == ()
    hold = await limits.reserve(caller(tokens_per_minute=600), 1, 0)
    assert [name for name, _ in hold.headers()] == [
        b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-tokens",
    ]
