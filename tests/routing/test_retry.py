"""Whether and when a failed call is tried again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.config import RetryConfig
from routing.retry import SAVED, RetryBudget, wait_before

CONFIG = RetryConfig()


@pytest.mark.parametrize(("retry", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 10)])
def test_waits_double_up_to_the_longest(retry: int, seconds: float) -> None:
    waits = [wait_before(retry, CONFIG, Random(n)) for n in range(200)]
    assert all(wait and 0.75 * seconds <= wait <= 1.25 * seconds for wait in waits)
    assert len(set(waits)) > 100  # who failed together does not come back together


def test_never_sooner_than_the_provider_asks() -> None:
    assert wait_before(1, CONFIG, Random(0), asked_for=7.0) == 7


def test_nobody_waits_for_longer_than_the_longest() -> None:
    assert wait_before(1, CONFIG, Random(0), asked_for=10.1) is None


@given(
    st.floats(0, 1),
    st.floats(0, 5),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50), st.integers(0, 50)), max_size=40),
)
def test_retries_stay_a_share_of_the_calls_whatever_happens(
    share: float, floor: float, story: list[tuple[float, int, int]]
) -> None:
    budget, now, calls, retries = RetryBudget(share, floor), 0.0, 0, 0
    for passing, more_calls, more_retries in story:
        now += passing
        for _ in range(more_calls):
            calls += 1
            budget.called()
        retries += sum(budget.take(now) for _ in range(more_retries))
    assert retries <= share * calls + floor * now + SAVED * max(share, floor) + 1e-6


def test_after_an_outage_there_is_a_budget_again() -> None:
    budget = RetryBudget(share=0.2, floor=1.0)
    while budget.take(now=0):
        continue
    assert not budget.take(now=0.5)
    assert budget.take(now=1.5)


def test_without_a_floor_calls_alone_earn_retries() -> None:
    budget = RetryBudget(share=0.25, floor=0.0)
    while budget.take(now=0):
        continue
    for _ in range(4):
        budget.called()
    assert [budget.take(now=1000) for _ in range(2)] == [True, False]


def test_a_small_share_lets_one_through_after_enough_calls() -> None:
    budget, taken = RetryBudget(share=0.05, floor=0.0), 0
    for _ in range(100):
        budget.called()
        taken += budget.take(now=0)
    assert taken == 5


def test_a_budget_of_nothing_lets_nothing_through() -> None:
    budget = RetryBudget(share=0.0, floor=0.0)
    budget.called()
    assert not budget.take(now=1000)
