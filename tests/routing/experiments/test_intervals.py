"""How often an interval is wrong that is looked at all the time, and how wide it is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest

from routing.experiments.intervals import ERROR, FEWEST, Sample, boundary, difference, sample

RUNS = 400
CALLERS = 1_000  # of each variant
LOOKS = range(FEWEST, CALLERS, 25)

Draw = Callable[[random.Random], float]


def rates(chance: random.Random) -> float:
    """A caller's share of failed requests: rare, and of few requests each."""
    return sum(chance.random() < 0.1 for _ in range(3)) / 3


def costs(chance: random.Random) -> float:
    """Of a caller, in thousandths of a dollar: most are small and some are not."""
    return chance.lognormvariate(0, 1)


def normal(chance: random.Random) -> float:
    return chance.gauss(0.7, 0.2)


class Growing:
    """A sample to which values come."""

    def __init__(self) -> None:
        self.n, self.total, self.squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        self.n, self.total, self.squares = self.n + 1, self.total + value, self.squares + value**2

    def now(self) -> Sample:
        mean = self.total / self.n
        return Sample(self.n, mean, (self.squares - self.n * mean**2) / (self.n - 1))


def looks(draw: Draw, gain: float, chance: random.Random) -> Iterator[tuple[Sample, Sample]]:
    """Two variants at every moment at which somebody looks."""
    one, other = Growing(), Growing()
    for n in range(1, CALLERS + 1):
        one.add(draw(chance))
        other.add(draw(chance) + gain)
        if n in LOOKS:
            yield one.now(), other.now()


def stopped(draw: Draw, gain: float = 0.0) -> float:
    """The share of experiments that are stopped at some look."""
    chance = random.Random(7)
    return (
        sum(
            any(
                (seen := difference(one, other)) and seen.decided
                for one, other in looks(draw, gain, chance)
            )
            for _ in range(RUNS)
        )
        / RUNS
    )


@pytest.mark.parametrize("draw", [rates, costs, normal])
def test_no_difference_is_seldom_seen_however_often_one_looks(draw: Draw) -> None:
    assert stopped(draw) <= ERROR + 2 * math.sqrt(ERROR * (1 - ERROR) / RUNS)


def test_an_ordinary_interval_would_be_wrong_far_more_often() -> None:
    chance = random.Random(7)
    wrong = sum(
        any(
            abs(other.mean - one.mean) > 1.96 * math.sqrt((one.variance + other.variance) / one.n)
            for one, other in looks(normal, 0.0, chance)
        )
        for _ in range(RUNS)
    )
    assert wrong / RUNS > 4 * ERROR


def test_a_difference_that_matters_is_found() -> None:
    assert stopped(normal, gain=0.05) > 0.95


def test_it_is_less_than_twice_as_wide_as_what_is_looked_at_once() -> None:
    for n in (200, 500, 2_000, 10_000):
        assert 1 < boundary(n, ERROR) / (1.96 / math.sqrt(n)) < 2


def test_too_few_callers_decide_nothing() -> None:
    few, many = Sample(FEWEST - 1, 0.0, 1e-9), Sample(10_000, 1.0, 1e-9)
    assert difference(few, many) is None
    assert difference(many, few) is None


def test_several_comparisons_share_the_error() -> None:
    one, other = sample([0.0, 1.0] * 100), sample([0.0, 1.0] * 100)
    alone, among = difference(one, other), difference(one, other, comparisons=3)
    assert alone
    assert among
    assert among.high > alone.high
