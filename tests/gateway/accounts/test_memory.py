"""Properties of limits that hold for every order of events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.accounts.limits import MINUTE, Hold
from gateway.accounts.memory import MemoryLimits, Rate
from gateway.errors import BudgetSpent
from gateway.types import Caller

BUDGET = 1.0
DUST = 1e-6

Cents = st.integers(0, 60).map(lambda cents: cents / 100)


@dataclass(frozen=True)
class Reserve:
    cost: float


@dataclass(frozen=True)
class Settle:
    which: int  # among the open holds
    cost: float


@dataclass(frozen=True)
class Release:
    which: int


Step = Reserve | Settle | Release
Steps = st.lists(
    st.one_of(
        st.builds(Reserve, Cents),
        st.builds(Settle, st.integers(0, 50), Cents),
        st.builds(Release, st.integers(0, 50)),
    ),
    max_size=60,
)


class NothingSpent:
    def spent(self, key: str, since: float) -> float:
        return 0.0


@given(Steps)
@settings(max_examples=200, deadline=None)
def test_spent_and_reserved_never_pass_the_budget_by_more_than_estimates_were_wrong(
    steps: list[Step],
) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[Step]) -> None:
    limits = MemoryLimits(NothingSpent(), clock=lambda: 0.0)
    caller = Caller(key="k", name="k", budget_usd=BUDGET)
    held: list[tuple[Hold, float]] = []
    settled = errors = 0.0  # errors: by how much settlements went over since the last admission
    for step in steps:
        match step:
            case Reserve(cost):
                before = settled + sum(estimate for _, estimate in held)
                try:
                    held.append((await limits.reserve(caller, 0, cost), cost))
                except BudgetSpent:
                    assert before >= BUDGET - DUST or before + cost > BUDGET
                else:
                    assert before + cost <= BUDGET + DUST
                    errors = 0.0
            case Settle(which, cost) if held:
                hold, estimate = held.pop(which % len(held))
                await hold.settle(0, cost)
                settled += cost
                errors += max(0.0, cost - estimate)
            case Release(which) if held:
                hold, _ = held.pop(which % len(held))
                await hold.release()
        reserved = sum(estimate for _, estimate in held)
        assert settled + reserved <= BUDGET + errors + DUST


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=80),
)
@settings(max_examples=200, deadline=None)
def test_no_span_of_time_lets_more_through_than_a_minute_at_once_and_what_flowed_back(
    per_minute: int, arrivals: list[tuple[float, int]]
) -> None:
    rate, now = Rate(), 0.0
    taken: list[tuple[float, int]] = []
    for pause, amount in arrivals:
        now += pause
        if not rate.wait(amount, per_minute, now):
            rate.take(amount, per_minute, now)
            taken.append((now, amount))
    for first in range(len(taken)):
        through = 0
        for at, amount in taken[first:]:
            through += amount
            span = at - taken[first][0]
            assert through <= per_minute * (1 + span / MINUTE) + 0.01


@given(st.integers(1, 100), st.integers(1, 100))
def test_waiting_as_long_as_told_is_enough(per_minute: int, amount: int) -> None:
    rate = Rate()
    rate.take(per_minute, per_minute, 0.0)
    wait = rate.wait(min(amount, per_minute), per_minute, 0.0)
    assert rate.wait(min(amount, per_minute), per_minute, wait) == 0
