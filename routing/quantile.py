"""A running quantile of durations in a fixed number of counts: no samples are kept."""

from __future__ import annotations

import math

SHORTEST = 0.001  # seconds
STEP = 1.1  # a bucket's upper edge over its lower one: the error is below a tenth
BUCKETS = 150  # up to 1,400 seconds
MEMORY = 1000.0  # samples after which all counts are halved, so that old ones fade

_LOG_STEP = math.log(STEP)


class Quantile:
    """An exponential histogram that forgets."""

    __slots__ = ("_counts", "_total", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self._counts = [0.0] * BUCKETS
        self._total = 0.0

    def add(self, seconds: float) -> None:
        place = math.ceil(math.log(max(seconds, SHORTEST) / SHORTEST) / _LOG_STEP)
        self._counts[min(place, BUCKETS - 1)] += 1.0
        self._total += 1.0
        self.seen += 1
        if self._total >= MEMORY:
            self._counts = [count / 2 for count in self._counts]
            self._total /= 2

    def value(self, share: float) -> float:
        """Seconds that this share of the durations did not exceed; 0 where none are known."""
        wanted, below = share * self._total, 0.0
        for place, count in enumerate(self._counts):
            below += count
            if count and below >= wanted:
                return SHORTEST * STEP**place
        return 0.0
