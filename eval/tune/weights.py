"""Which share of the dense score finds best, and how sure that is: over rankings, no I/O.

A weight is judged on questions that it was not fitted on: five folds, each fitted on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics import Estimate, difference, estimate, ndcg
from retrieval.fusion import reciprocal_rank, weighted
from retrieval.types import Hit, Legs

STEPS = 20
GRID = tuple(step / STEPS for step in range(STEPS + 1))
_FOLDS = 5
_RESAMPLES = 1000
_SEED = 13
FEW = 50
"""Below so many questions nothing but a gross difference shows."""

Gains = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answered:
    """A question's two ranked lists, and the documents that should be found."""

    legs: Legs
    wanted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """What the questions say of a collection. All figures are nDCG@10 over documents."""

    questions: int
    sparse: Estimate  # BM25 alone
    dense: Estimate
    reciprocal: Estimate
    present: Estimate  # as it is configured now
    weight: float
    low: float  # of 95 % of resamples
    high: float
    fitted: Estimate  # on questions that the weight was not fitted on
    gain: Estimate  # of these over the present setting
    beside_best_half: Estimate  # of these over the better half


def fit(answered: Sequence[Answered], present: float | None) -> Fit:
    """The best weight; `present` is the configured one, None where ranks are added."""
    gains = np.array([_gains(each) for each in answered])
    added = [_gain(reciprocal_rank(each.legs), each.wanted) for each in answered]
    now = added if present is None else [_one(each, present) for each in answered]
    held_out = _held_out(gains)
    half = gains[:, -1] if gains[:, -1].mean() > gains[:, 0].mean() else gains[:, 0]
    low, high = _interval(gains)
    return Fit(
        questions=len(answered),
        sparse=estimate(gains[:, 0].tolist()),
        dense=estimate(gains[:, -1].tolist()),
        reciprocal=estimate(added),
        present=estimate(now),
        weight=GRID[_best(gains)],
        low=low,
        high=high,
        fitted=estimate(held_out),
        gain=difference(held_out, now),
        beside_best_half=difference(held_out, half.tolist()),
    )


def _gains(answered: Answered) -> list[float]:
    """At every weight of the grid. At its ends one half stands alone, so the other adds nothing."""
    alone = (
        _gain(answered.legs.sparse, answered.wanted),
        _gain(answered.legs.dense, answered.wanted),
    )
    return [alone[0], *(_one(answered, weight) for weight in GRID[1:-1]), alone[1]]


def _one(answered: Answered, weight: float) -> float:
    return _gain(weighted(answered.legs, weight), answered.wanted)


def _gain(hits: Sequence[Hit], wanted: Mapping[str, int]) -> float:
    return ndcg(list(dict.fromkeys(hit.passage.document for hit in hits)), wanted, 10)


def _best(gains: Gains) -> int:
    """The middle of the best three neighbours: a single peak of few questions is chance."""
    mean = gains.mean(axis=0)
    smooth = np.convolve(np.pad(mean, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    return int(smooth.argmax())


def _held_out(gains: Gains) -> list[float]:
    folds = np.random.default_rng(_SEED).permutation(len(gains)) % min(_FOLDS, len(gains))
    found = np.zeros(len(gains))
    for fold in set(folds.tolist()):
        others = gains[folds != fold]
        found[folds == fold] = gains[folds == fold, _best(others if len(others) else gains)]
    return [float(value) for value in found]


def _interval(gains: Gains) -> tuple[float, float]:
    """The middle 95 % of the weights that resampled questions would have chosen."""
    chosen = np.random.default_rng(_SEED)
    size = len(gains)
    best = [GRID[_best(gains[chosen.integers(0, size, size)])] for _ in range(_RESAMPLES)]
    low, high = np.percentile(best, [2.5, 97.5])
    return float(low), float(high)
