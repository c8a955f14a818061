"""Which of several deployments is asked, and how long each may be expected to take.

Decisions over values: no clock, no I/O; chance comes in as an argument.

Expected latency is Finagle's Peak EWMA (twitter/finagle, loadbalancer/p2c/PeakEwma.scala): an
average that follows a slow answer at once and forgets it slowly, times the requests under way.
Of two drawn at random the better one is taken (Mitzenmacher, The Power of Two Choices in
Randomized Load Balancing, 2001), since whoever always takes the best sends everybody there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from routing.types import Balance

DECAY = 10.0  # seconds in which an observation loses two thirds of its weight
UNKNOWN = 1e6  # load of a deployment that is being tried and has not answered yet


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a choice may look at."""

    load: float = 0.0  # expected seconds, see PeakEwma
    under_way: int = 0
    weight: float = 1.0
    price: float = 0.0


class PeakEwma:
    """How long a deployment takes: quick to rise, slow to fall, and back to nothing while idle."""

    __slots__ = ("_at", "_seconds")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at = 0.0

    def add(self, seconds: float, now: float) -> None:
        """An answer that took so long."""
        if seconds >= self._seconds:
            self._seconds = seconds
        else:
            keep = math.exp(-max(now - self._at, 0.0) / DECAY)
            self._seconds = self._seconds * keep + seconds * (1.0 - keep)
        self._at = now

    def value(self, now: float) -> float:
        """Seconds. What is not asked comes back to be tried."""
        return self._seconds * math.exp(-max(now - self._at, 0.0) / DECAY)

    def lately(self, now: float, memory: float) -> float | None:
        """Seconds that it took when it was asked; that, too, is forgotten, so that what was slow
        once is tried again. None where it never was."""
        if not self._seconds:
            return None
        return self._seconds * math.exp(-max(now - self._at, 0.0) / memory)

    def load(self, under_way: int, now: float) -> float:
        """What another request may expect. A deployment that nobody knows gets one to begin with,
        not all at once."""
        if not self._seconds:
            return UNKNOWN + under_way if under_way else 0.0
        return self.value(now) * (under_way + 1)


def chosen(balance: Balance, candidates: Sequence[Candidate], random: Random) -> int:
    """The place of the one that is asked."""
    if len(candidates) == 1:
        return 0
    places = range(len(candidates))
    match balance:
        case "latency":
            first, second = random.sample(places, 2)
            return first if candidates[first].load <= candidates[second].load else second
        case "weighted":
            return random.choices(places, [each.weight for each in candidates])[0]
        case "least-busy":
            least = min(each.under_way for each in candidates)
            return random.choice([i for i in places if candidates[i].under_way == least])
        case "cheapest":
            return min(places, key=lambda i: (candidates[i].price, candidates[i].load))
