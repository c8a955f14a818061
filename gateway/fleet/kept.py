"""What is known of one provider's replicas between requests; outlives the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from gateway.deployments import Clock
from gateway.fleet.config import LoraConfig
from gateway.fleet.costs import Delays
from gateway.fleet.counts import Counts
from gateway.fleet.loads import Loads
from gateway.fleet.prefixes import Prefixes
from gateway.fleet.sharing import Doing
from gateway.fleet.view import View
from routing.breaker import Breaker
from routing.config import BreakerConfig


class Health:
    """Whether a replica may be asked: by what its calls say, and by whether it answers when it is
    looked at."""

    __slots__ = ("breaker", "config", "delays", "down")

    def __init__(self, config: BreakerConfig) -> None:
        self.config = config
        self.breaker = Breaker(config)
        self.delays = Delays()
        self.down = False  # it did not answer when it was looked at

    def configure(self, config: BreakerConfig) -> None:
        """Judge by these figures from now on."""
        self.config = config
        self.breaker.configure(config)

    def admits(self, now: float) -> bool:
        """Whether a call may be sent."""
        return not self.down and (self.breaker.calm or self.breaker.admits(now))


class Kept:
    """One provider's."""

    def __init__(
        self, provider: str, tell: Callable[[Doing], None], now: Clock = time.monotonic
    ) -> None:
        self.view = View(provider, tell, now)
        self.counts = Counts()
        self.loads = Loads(self.view, self.counts)
        self.prefixes = Prefixes(provider, tell)
        self._breaker = BreakerConfig()
        self._health: dict[str, Health] = {}

    def health(self, address: str) -> Health:
        """A replica's."""
        found = self._health.get(address)
        if found is None:
            found = self._health[address] = Health(self._breaker)
        return found

    def configure(
        self, addresses: Collection[str], lora: LoraConfig | None, breaker: BreakerConfig
    ) -> None:
        """These are the replicas from now on, and this is what they hold."""
        self._breaker = breaker
        for health in self._health.values():
            health.configure(breaker)
        self.view.configure(addresses, lora)
        self.loads.keep(addresses)
        self.prefixes.keep(addresses)
        for gone in self._health.keys() - set(addresses):
            del self._health[gone]
