"""How often answers are wrong when the less sure ones are held back: risk and coverage.

Pure functions over how sure each answer was and whether it was wrong. Ties keep their order, so
whoever shuffles questions shuffles ties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eval.metrics import Estimate

Array: TypeAlias = NDArray[Any]
Statistic: TypeAlias = Callable[[Array, Array], float]

_RESAMPLES = 500
_SEED = 13


def risks(sure: Array, wrong: Array) -> Array:
    """The share of wrong ones among the surest 1, 2, ... answers."""
    ordered = np.asarray(wrong, dtype=np.float64)[np.argsort(-np.asarray(sure), kind="stable")]
    return np.asarray(np.cumsum(ordered) / np.arange(1, len(ordered) + 1))


def area(sure: Array, wrong: Array) -> float:
    """Under the curve of risk over coverage (AURC): the mean risk of all coverages."""
    return float(risks(sure, wrong).mean())


def coverage(risk: float) -> Statistic:
    """The largest share of the questions that can be answered at no more than this risk."""

    def largest(sure: Array, wrong: Array) -> float:
        fine = np.flatnonzero(risks(sure, wrong) <= risk)
        return float((fine[-1] + 1) / len(wrong)) if len(fine) else 0.0

    return largest


def interval(statistic: Statistic, sure: Sequence[float], wrong: Sequence[bool]) -> Estimate:
    """The statistic, and the middle 95 % of it over resamples of the questions."""
    first, second = np.asarray(sure, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    many = len(first)
    if not many:
        raise ValueError("There is nothing to measure.")
    dice = np.random.default_rng(_SEED)
    drawn = [dice.integers(0, many, many) for _ in range(_RESAMPLES)]
    found = [statistic(first[chosen], second[chosen]) for chosen in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return Estimate(statistic(first, second), float(low), float(high), many)


def gain(
    statistic: Statistic, sure: Sequence[float], base: Sequence[float], wrong: Sequence[bool]
) -> Estimate:
    """How much more the statistic is where `sure` says what to hold back, not `base` (paired)."""
    one, other = np.asarray(sure, dtype=np.float64), np.asarray(base, dtype=np.float64)
    bad, many = np.asarray(wrong, dtype=np.float64), len(wrong)
    dice = np.random.default_rng(_SEED)
    drawn = [dice.integers(0, many, many) for _ in range(_RESAMPLES)]
    found = [statistic(one[c], bad[c]) - statistic(other[c], bad[c]) for c in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return Estimate(statistic(one, bad) - statistic(other, bad), float(low), float(high), many)
