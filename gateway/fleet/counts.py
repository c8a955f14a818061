"""What is counted of adapters, for Prometheus: a label has no value that nobody registered, and
not more of them than can be told.

Belongs to the event loop's thread.
"""

from __future__ import annotations

from collections import defaultdict

from gateway.fleet.types import Served
from gateway.metrics.exposition import Histogram
from routing.placement.types import Placement

MOST = 200  # adapters of a provider that are counted by their names; all others as one
OTHER = "other"

# Milliseconds.
LOADS = (25, 100, 250, 500, 1000, 2500, 5000, 15_000, 60_000)
ANSWERS = (50, 100, 250, 500, 1000, 2500, 5000, 10_000, 40_000)


class Adapter:
    """One adapter's."""

    __slots__ = ("answers", "ends", "evictions", "failures", "firsts", "loads", "served", "tiers")

    def __init__(self, served: Served) -> None:
        self.served = served
        self.ends: defaultdict[str, int] = defaultdict(int)
        self.tiers: defaultdict[str, int] = defaultdict(int)
        self.firsts = Histogram(ANSWERS)
        self.answers = Histogram(ANSWERS)
        self.loads = Histogram(LOADS)
        self.evictions = 0
        self.failures = 0  # to load


class Counts:
    """Of one provider, since the process began."""

    def __init__(self) -> None:
        self._adapters: dict[str, Adapter] = {}
        self._other = Adapter(Served(OTHER, None))

    def placed(self, served: Served, placement: Placement) -> None:
        """A request is sent to a replica that has the adapter, or has to bring it."""
        self._of(served).tiers[placement.tier] += 1
        if placement.evicts:
            self._adapters.get(placement.evicts, self._other).evictions += 1

    def began(self, served: Served, seconds: float) -> None:
        """The first of a streamed answer came."""
        self._of(served).firsts.observe(seconds * 1000)

    def ended(self, served: Served, outcome: str, seconds: float) -> None:
        """A request is over."""
        adapter = self._of(served)
        adapter.ends[outcome] += 1
        if outcome == "ok":
            adapter.answers.observe(seconds * 1000)

    def loaded(self, served: Served, seconds: float) -> None:
        """An engine has it now."""
        self._of(served).loads.observe(seconds * 1000)

    def load_failed(self, served: Served) -> None:
        """An engine does not."""
        self._of(served).failures += 1

    def all(self) -> list[Adapter]:
        """Each that was asked for, and all others as one."""
        return [*self._adapters.values(), self._other]

    def _of(self, served: Served) -> Adapter:
        known = self._adapters.get(served.name)
        if known is None:
            if len(self._adapters) >= MOST:
                return self._other
            known = self._adapters[served.name] = Adapter(served)
        return known
