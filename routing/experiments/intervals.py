"""Intervals that hold at every moment at once, so that an experiment may be looked at daily and
stopped as soon as one of them excludes 0.

An ordinary 95 % interval excludes a difference of 0 sooner or later, if one looks often enough.
These are asymptotic confidence sequences: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
Time-uniform central limit theory and asymptotic confidence sequences, Annals of Statistics 52(6),
2024 (arXiv 2103.06476), theorem 2.2; Robbins' mixture of normals is where they come from. They
are a bit under twice as wide as an ordinary interval would be that is looked at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ERROR = 0.05  # how often at most a difference is seen, at any time, that is not there
TUNED_FOR = 500  # callers, at which the sequence is narrowest; it holds at every number
FEWEST = 50  # callers of a variant, before which the asymptotics are not believed


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure of one variant, a value a caller."""

    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two means, with the interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        return not self.low <= 0 <= self.high


def sample(values: Sequence[float]) -> Sample:
    """Of callers' values."""
    n = len(values)
    mean = sum(values) / n if n else 0.0
    squares = sum((value - mean) ** 2 for value in values)
    return Sample(n, mean, squares / (n - 1) if n > 1 else 0.0)


def difference(
    one: Sample, other: Sample, comparisons: int = 1, error: float = ERROR
) -> Difference | None:
    """`other` less `one`; None while there are too few. With several `comparisons` the error is
    that of all of them together."""
    if min(one.n, other.n) < FEWEST:
        return None
    n = one.n + other.n
    spread = math.sqrt(n * (one.variance / one.n + other.variance / other.n))
    radius = spread * boundary(n, error / comparisons)
    value = other.mean - one.mean
    return Difference(value, value - radius, value + radius)


def paired(differences: Sequence[float], comparisons: int = 1) -> Difference | None:
    """The mean of differences between two that answered the same; None while there are too few."""
    seen = sample(differences)
    if seen.n < FEWEST:
        return None
    radius = math.sqrt(seen.variance) * boundary(seen.n, ERROR / comparisons)
    return Difference(seen.mean, seen.mean - radius, seen.mean + radius)


def boundary(n: int, error: float) -> float:
    """The interval's half width after n values, of standard deviation 1."""
    tuned = (-2 * math.log(error) + math.log(1 - 2 * math.log(error))) / TUNED_FOR
    scale = n * tuned + 1
    return math.sqrt(2 * scale / (n * n * tuned) * math.log(math.sqrt(scale) / error))
