"""How good a ranking is, and how sure that is: pure functions over names and grades."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 2000
_SEED = 13

Grades = Mapping[str, int]
"""What should be found, with how much each is worth; 0 is worth nothing."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval over the sample that it was taken from."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, sign: str) -> str:
        """With `+`, every number has its sign."""
        number = f"{'+' if sign == '+' else ''}.3f"
        return f"{self.mean:{number}} [{self.low:{number}}, {self.high:{number}}]"


def estimate(values: Sequence[float], seed: int = _SEED) -> Estimate:
    """The mean, and the middle 95 % of the means of resamples (percentile bootstrap)."""
    if not values:
        raise ValueError("There is nothing to take a mean of.")
    sample = np.asarray(values, dtype=np.float64)
    chosen = np.random.default_rng(seed)
    means = [chosen.choice(sample, len(sample)).mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(sample.mean()), float(low), float(high), len(sample))


def difference(values: Sequence[float], baseline: Sequence[float]) -> Estimate:
    """How much more the values are than the baseline's of the same questions (paired bootstrap)."""
    return estimate([one - other for one, other in zip(values, baseline, strict=True)])


def auroc(yes: Sequence[float], no: Sequence[float]) -> float:
    """The chance that one that is scores above one that is not; ties count half."""
    scores = np.asarray([*yes, *no], dtype=np.float64)
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = ranks[: len(yes)].sum() - len(yes) * (len(yes) + 1) / 2
    return float(above / (len(yes) * len(no)))


def recall(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """The share of what should be found that is among the first k."""
    wanted = {name for name, grade in grades.items() if grade > 0}
    return len(wanted.intersection(ranked[:k])) / len(wanted)


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """1 / the first place that holds something worth finding; 0 below the first k."""
    for place, name in enumerate(ranked[:k], start=1):
        if grades.get(name, 0) > 0:
            return 1 / place
    return 0.0


def ndcg(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Gain discounted by the logarithm of the place, as a share of the best order's."""
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    return _gain([grades.get(name, 0) for name in ranked[:k]]) / _gain(best[:k])


def _gain(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / math.log2(place + 1) for place, grade in enumerate(grades, start=1))
