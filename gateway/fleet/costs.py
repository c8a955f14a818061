"""What placing and loading cost on a replica, learned from what it does.

Decisions over values. An estimate rises quickly and falls slowly: in simulation a load whose cost
was taken for five times too much did little harm, one for a sixth of it much.
"""

from __future__ import annotations

from routing.placement.types import Costs

RISE = 0.5  # weight of an observation above the estimate
FALL = 0.05  # and of one below it
LEAST = 0.001  # seconds; nothing is free


def learned(known: float, seen: float) -> float:
    """The estimate after another observation."""
    weight = RISE if seen > known else FALL
    return max(known + weight * (seen - known), LEAST)


class Delays:
    """Of one replica's first tokens: what is the engine's own, and what those ahead add."""

    __slots__ = ("_alone",)

    def __init__(self) -> None:
        self._alone: float | None = None  # seconds of a request that nobody is ahead of

    def observed(
        self, costs: Costs, seconds: float, *, ahead: int, tokens: int, from_cpu: bool
    ) -> None:
        """A first token came after so long; the costs take it in."""
        own = max(seconds - tokens * costs.prefill, 0.0)
        if ahead == 0 and not from_cpu:
            self._alone = own if self._alone is None else learned(self._alone, own)
        if self._alone is None:
            return
        rest = max(own - self._alone, 0.0)
        if from_cpu:
            costs.from_cpu = learned(costs.from_cpu, max(rest - ahead * costs.queue, 0.0))
        elif ahead:
            costs.queue = learned(costs.queue, rest / ahead)
