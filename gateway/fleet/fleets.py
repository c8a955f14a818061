"""All providers that have replicas: what is known of them, how others hear of it, and who looks
after them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from gateway.deployments import Clock
from gateway.fleet.keeper import Keeper
from gateway.fleet.kept import Kept
from gateway.fleet.provider import Fleet
from gateway.fleet.sharing import Doing, Exchange, Whole
from gateway.fleet.types import Adapters, NoAdapters
from gateway.providers.base import Provider


class Fleets:
    """By their providers' names; outlives a change of the configuration."""

    def __init__(
        self,
        adapters: Adapters = NoAdapters(),  # noqa: B008, without state
        now: Clock = time.monotonic,
    ) -> None:
        self.adapters = adapters
        self._now = now
        self._kept: dict[str, Kept] = {}
        self._serving: dict[str, Fleet] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._exchange: Exchange | None = None
        self._alone = False

    def share(self, exchange: Exchange) -> None:
        """Tell others through it from now on."""
        self._exchange = exchange

    def of(self, provider: str) -> Kept:
        """What is known of a provider's replicas."""
        found = self._kept.get(provider)
        if found is None:
            found = self._kept[provider] = Kept(provider, self._tell, self._now)
            found.view.alone = self._alone
        return found

    @property
    def serving(self) -> Mapping[str, Fleet]:
        """Those of the configuration in force."""
        return self._serving

    def follow(self, providers: Mapping[str, Provider], *, tended: bool = True) -> None:
        """These answer from now on; they are looked after, if that is not another process's, and
        those before them no longer."""
        for keeper in self._keepers:
            keeper.cancel()
        self._serving = {
            name: provider for name, provider in providers.items() if isinstance(provider, Fleet)
        }
        for gone in self._kept.keys() - self._serving.keys():
            del self._kept[gone]
        for fleet in self._serving.values():
            fleet.take_over()
        self._keepers = [
            asyncio.create_task(Keeper(fleet).run()) for fleet in self._serving.values() if tended
        ]

    async def aclose(self) -> None:
        """Look after nobody any more."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for kept in self._kept.values():
            await kept.loads.aclose()

    # --- as one who hears, see gateway/fleet/sharing.py -------------------------------------------

    def heard(self, gateway: str, doings: Sequence[Doing]) -> None:
        """See Hearer."""
        for doing in doings:
            if kept := self._kept.get(doing[1]):
                kept.view.heard(gateway, doing)
                kept.loads.heard(doing)
                kept.prefixes.heard(doing)

    def heard_whole(self, gateway: str, whole: Whole) -> None:
        """See Hearer."""
        for provider, replicas in whole.items():
            if kept := self._kept.get(provider):
                kept.view.heard_whole(gateway, replicas)

    def gone(self, gateway: str) -> None:
        """See Hearer."""
        for kept in self._kept.values():
            kept.view.gone(gateway)

    def whole(self) -> Whole:
        """See Hearer."""
        return {provider: kept.view.whole() for provider, kept in self._kept.items()}

    def alone(self, alone: bool) -> None:
        """See Hearer."""
        self._alone = alone
        for kept in self._kept.values():
            kept.view.alone = alone

    def _tell(self, doing: Doing) -> None:
        if self._exchange is not None:
            self._exchange.tell(doing)
