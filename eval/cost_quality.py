"""What quality comes of how many calls to the strong model: pure functions over outcomes.

A router gives each question how much it wants the strong model; the first k go there. RouteLLM's
figures (Ong et al., 2024): PGR is the share of the gap between the two models that is recovered,
APGR the area under it, CPT(x) the share of strong calls at which a share x of it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eval.metrics import Estimate

Array: TypeAlias = NDArray[Any]
_RESAMPLES = 500
_SEED = 13


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality by share of strong calls, from none to all of n questions."""

    quality: Array  # n + 1 means

    @property
    def gap(self) -> Array:
        """PGR: the share of the gap that is recovered."""
        least, most = self.quality[0], self.quality[-1]
        return np.asarray((self.quality - least) / (most - least))

    @property
    def area(self) -> float:
        """APGR."""
        return float(np.trapezoid(self.gap, dx=1 / (len(self.quality) - 1)))

    def calls_for_gap(self, share: float) -> float:
        """CPT: the smallest share of strong calls that recovers so much of the gap."""
        return self._first(self.gap >= share)

    def calls_for_quality(self, share: float) -> float:
        """The smallest share of strong calls that keeps so much of the strong model's quality."""
        return self._first(self.quality >= share * self.quality[-1])

    def _first(self, enough: Array) -> float:
        return float(np.argmax(enough)) / (len(self.quality) - 1)


def curve(wanted: Array, cheap: Array, strong: Array) -> Curve:
    """Of a router. Equals are in random order, so that no order of the file helps."""
    order = np.lexsort((np.random.default_rng(_SEED).random(len(wanted)), -wanted))
    gained = np.concatenate([[0.0], np.cumsum((strong - cheap)[order])])
    return Curve(np.asarray((cheap.sum() + gained) / len(wanted)))


FIGURES: dict[str, Callable[[Curve], float]] = {
    "apgr": lambda made: made.area,
    "cpt50": lambda made: made.calls_for_gap(0.5),
    "cpt80": lambda made: made.calls_for_gap(0.8),
    "keep95": lambda made: made.calls_for_quality(0.95),
    "keep98": lambda made: made.calls_for_quality(0.98),
}
"""What a router is judged by."""


def figures(wanted: Array, cheap: Array, strong: Array) -> dict[str, Estimate]:
    """Each with the middle 95 % of it over resamples of the questions."""
    many, dice = len(wanted), np.random.default_rng(_SEED)
    drawn = [dice.integers(0, many, many) for _ in range(_RESAMPLES)]
    resampled = [curve(wanted[some], cheap[some], strong[some]) for some in drawn]
    whole = curve(wanted, cheap, strong)
    found = {}
    for name, figure in FIGURES.items():
        low, high = np.percentile([figure(each) for each in resampled], [2.5, 97.5])
        found[name] = Estimate(figure(whole), float(low), float(high), many)
    return found
