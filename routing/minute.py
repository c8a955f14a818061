"""How much was taken within the last minute, exactly, so that a limit is never overrun.

A bucket that fills again lets twice its size through within a minute; a provider that counts by
the minute would refuse the second half.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(slots=True)
class Taken:
    """An amount, which may be put right once it is known better."""

    at: float
    amount: float


class Minute:
    """A sliding window."""

    __slots__ = ("_taken", "_total")

    def __init__(self) -> None:
        self._taken: deque[Taken] = deque()
        self._total = 0.0

    def used(self, now: float) -> float:
        while self._taken and self._taken[0].at <= now - MINUTE:
            self._total -= self._taken.popleft().amount
        if not self._taken:
            self._total = 0.0  # sums of floats drift
        return self._total

    def wait(self, amount: float, limit: float, now: float) -> float:
        """Seconds until this much fits; 0 where it fits now. What is larger than the limit fits
        into an empty minute: it is the provider's to refuse."""
        over = self.used(now) + amount - limit
        if over <= 0 or not self._taken:
            return 0.0
        for taken in self._taken:
            over -= taken.amount
            if over <= 0:
                return taken.at + MINUTE - now
        return self._taken[-1].at + MINUTE - now

    def take(self, amount: float, now: float) -> Taken:
        taken = Taken(now, amount)
        self._taken.append(taken)
        self._total += amount
        return taken

    def correct(self, taken: Taken, amount: float, now: float) -> None:
        """Say how much it really was."""
        self.used(now)
        if taken.at > now - MINUTE:
            self._total += amount - taken.amount
            taken.amount = amount
