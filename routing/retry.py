"""Whether and when a failed call is tried again: decisions, no I/O, no clock of their own."""

from __future__ import annotations

from random import Random

from routing.config import RetryConfig

JITTER = 0.25  # of a wait, up or down, so that those who failed together do not come back together
SAVED = 10.0  # seconds' worth of the floor that an idle budget holds


def wait_before(
    retry: int, config: RetryConfig, random: Random, asked_for: float | None = None
) -> float | None:
    """Seconds before the first, second, … retry: 1, 2, 4 by default, and never less than the
    provider asks for. None where it asks for more than anybody should wait."""
    if asked_for is not None and asked_for > config.longest_wait:
        return None
    backoff = min(config.first_wait * 2.0 ** (retry - 1), config.longest_wait)
    return max(backoff * random.uniform(1 - JITTER, 1 + JITTER), asked_for or 0.0)


class RetryBudget:
    """Retries are a share of all calls, and a few a second where there are not many calls.

    In an outage every call fails. Without a bound each would come back three times, and whoever is
    about to recover would be held down by it. (Finagle's RetryBudget, twitter/finagle, does the
    same.)
    """

    __slots__ = ("_at", "_floor", "_held", "_most", "_share")

    def __init__(self, share: float, floor: float) -> None:
        self._share = share  # retries that a call earns
        self._floor = floor  # and a second
        self._held = SAVED * max(floor, share)
        self._most = max(self._held, 1.0)  # less than a whole one would never let one through
        self._at: float | None = None

    def called(self) -> None:
        """A call that is not a retry."""
        self._held = min(self._held + self._share, self._most)

    def take(self, now: float) -> bool:
        """Whether one more retry is let through."""
        if self._at is not None:
            self._held = min(self._held + (now - self._at) * self._floor, self._most)
        self._at = now
        if self._held < 1.0:
            return False
        self._held -= 1.0
        return True
