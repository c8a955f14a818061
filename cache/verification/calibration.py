"""From scores of labelled pairs to the least score that keeps a promise. Counting, no more.

The promise: of the answers that are given again, at most such a share is wrong. A score is low
enough where the labelled pairs at or above it make the promise likely, by Clopper and Pearson's
bound; the lowest of them gives the most hits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.9
"""That the share of wrong answers is below the bound, where pairs are like those labelled."""

_STEPS = 400  # scores that are remembered; more say nothing more


class BadCalibration(ValueError):
    """A file that holds no calibration; the message says why."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How many labelled pairs score at least so much, and how many of them are wrong.

    Scores fall, counts rise. `probabilities` are the chances to be right of a pair that scores just
    so much."""

    scores: NDArray[np.float64]
    counts: NDArray[np.int64]
    wrong: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, scores: Sequence[float], right: Sequence[bool]) -> Self:
        """From labelled pairs."""
        if not len(scores):
            raise BadCalibration("There are no labelled pairs.")
        order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
        falling = np.asarray(scores, dtype=np.float64)[order]
        labels = np.asarray(right, dtype=np.float64)[order]
        wrong = np.cumsum(1 - labels)
        # Pairs of one score are counted together.
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        kept = ends[np.unique(np.linspace(0, len(ends) - 1, _STEPS).round().astype(int))]
        fitted = _falling(labels)
        return cls(falling[kept], kept + 1, np.rint(wrong[kept]).astype(int), fitted[kept])

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises BadCalibration."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            made = cls(*(np.asarray(stored[each.name]) for each in fields(cls)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadCalibration(f"{path} holds no calibration: {error}") from error
        if not len(made.scores):
            raise BadCalibration(f"{path} holds no calibration.")
        return made

    def stored(self) -> str:
        return json.dumps(
            {
                "scores": [round(float(score), 5) for score in self.scores],
                "counts": self.counts.tolist(),
                "wrong": self.wrong.tolist(),
                "probabilities": [round(float(each), 5) for each in self.probabilities],
            }
        )

    def least(self, max_error_rate: float) -> float:
        """The least score that keeps the promise; infinite where none does."""
        for place in range(len(self.scores) - 1, -1, -1):
            wrong, among = int(self.wrong[place]), int(self.counts[place])
            if wrong <= max_error_rate * among and kept(wrong, among, max_error_rate):
                return float(self.scores[place])
        return math.inf

    def probability(self, score: float) -> float:
        """That a pair of this score is right."""
        return float(np.interp(-score, -self.scores, self.probabilities))


def kept(wrong: int, among: int, rate: float) -> bool:
    """Whether so few wrong ones would hardly be seen if the rate were above `rate`."""
    return _at_most(wrong, among, rate) <= 1 - CONFIDENCE


def _at_most(wrong: int, among: int, rate: float) -> float:
    """The chance of so few wrong ones or fewer, at this rate."""
    if rate <= 0 or rate >= 1:
        return float(rate <= 0)
    logs = [
        math.lgamma(among + 1) - math.lgamma(k + 1) - math.lgamma(among - k + 1)
        + k * math.log(rate) + (among - k) * math.log1p(-rate)
        for k in range(wrong + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(math.exp(value) for value in logs))


def _falling(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest values that never rise: neighbours that would are pooled."""
    pools: list[tuple[float, int]] = []  # sum and size
    for label in labels:
        total, size = float(label), 1
        while pools and pools[-1][0] * size <= total * pools[-1][1]:
            before, many = pools.pop()
            total, size = total + before, size + many
        pools.append((total, size))
    return np.repeat([total / size for total, size in pools], [size for _, size in pools])
