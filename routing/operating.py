"""Where between a cheap and a strong model to draw the line: decisions, no model and no I/O.

A question goes to the strong model where the probability that the cheap one will do is below a
threshold. What each threshold comes to was found out on questions that the model had not seen.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

MEMORY = 1000  # questions after which a share goes by what was asked here alone


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, and what to expect of it."""

    threshold: float
    """The strong model is asked where the probability is below it."""
    share: float  # of the questions that go to the strong model
    quality: float  # of the answers, as a share of the strong model's
    low: float  # the lower end of its 95 % interval

    def enough(self, probability: float) -> bool:
        """Whether the cheap model is asked."""
        return probability >= self.threshold


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """All that there is to choose from, by share: from never the strong model to always."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.points or self.points[0].share > 0 or self.points[-1].share < 1:
            raise ValueError("Operating points go from never to always.")
        for one, other in zip(self.points, self.points[1:], strict=False):
            if other.share < one.share or other.threshold < one.threshold:
                raise ValueError("Operating points are ordered by share and by threshold.")

    def keeping(self, quality: float) -> Point:
        """The one with the fewest strong calls that keeps so much of the strong model's quality,
        as do all with more of them. Always the strong model, where none does."""
        kept = self.points[-1]
        for point in reversed(self.points[:-1]):
            if point.quality < quality:
                break
            kept = point
        return kept

    def sharing(self, share: float) -> Point:
        """The one with the most strong calls that are no more than this share."""
        return [point for point in self.points if point.share <= share + 1e-9][-1]


class StrongShare:
    """Keeps to a share of strong calls whatever is asked: the threshold is a quantile of the
    probabilities seen lately, to begin with those of the held-out questions."""

    __slots__ = ("_lately", "_share", "_sorted")

    def __init__(self, points: OperatingPoints, share: float) -> None:
        self._share = share
        self._lately = deque(point.threshold for point in points.points[1:])
        self._sorted = sorted(self._lately)

    @property
    def threshold(self) -> float:
        """That of the next question."""
        place = round(self._share * len(self._sorted))
        return self._sorted[place] if place < len(self._sorted) else float("inf")

    def enough(self, probability: float) -> bool:
        """Whether the cheap model is asked this time; the probability is remembered."""
        decided = probability >= self.threshold
        self._lately.append(probability)
        insort(self._sorted, probability)
        if len(self._lately) > MEMORY:
            del self._sorted[bisect_left(self._sorted, self._lately.popleft())]
        return decided


def points_of(
    thresholds: Sequence[float],
    shares: Sequence[float],
    qualities: Sequence[float],
    lows: Sequence[float],
) -> OperatingPoints:
    """From columns. A threshold is not below one of fewer strong calls."""
    rising = accumulate(thresholds, max)
    rows = zip(rising, shares, qualities, lows, strict=True)
    return OperatingPoints(tuple(Point(*row) for row in rows))
