"""Looks after a provider's replicas while it serves: who answers, which adapters each really has,
and that critical ones are where they are to stay.

Requests do not wait for it. What it finds is put into the mirrors that they are placed by.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from gateway.errors import ProviderError
from gateway.fleet.engine import Engine
from gateway.fleet.provider import Fleet
from gateway.fleet.types import Served
from routing.placement import mirror
from routing.placement.choice import placed
from routing.placement.pins import pins
from routing.placement.types import Replica, Wanted

EVERY = 5.0  # seconds between two looks
PATIENCE = 2  # looks in vain before nothing more is sent to a replica

_log = logging.getLogger(__name__)


class Keeper:
    """One provider's."""

    def __init__(self, fleet: Fleet, every: float = EVERY) -> None:
        self._fleet = fleet
        self._every = every
        self._kept = fleet.kept
        self._in_vain = dict.fromkeys(fleet.engines, 0)
        self._short: tuple[str, ...] = ()

    async def run(self) -> None:
        """For ever. Each replica by itself: one that takes minutes to refuse a load keeps nobody
        from seeing that another one does not answer."""
        await asyncio.gather(*map(self._tend, self._fleet.replicas))

    async def look(self, replica: Replica) -> None:
        """Once, at one of them."""
        pinned = {each.name: each for each in self._fleet.adapters.pinned(self._fleet.name)}
        self._place_pins(pinned)
        loads, engine = self._kept.loads, self._fleet.engines[replica.name]
        before = loads.named(replica)
        listed = await self._listed(engine)
        if listed is None or self._fleet.config.lora is None:
            return
        named, removed = self._sorted(listed)
        # What was loaded while the list was on its way is not on it.
        named |= loads.named(replica) - before
        loads.listed(replica, named)
        mirror.reconciled(replica, named)
        try:
            if where := await engine.resident():
                mirror.resident(replica, where)
            for name in removed - replica.under_way.keys():
                await engine.unload(name)
            for name in sorted(replica.pinned & pinned.keys()):
                await self._pin(replica, pinned[name])
        except ProviderError as error:
            _log.info("%s: %s", replica.name, error.message)

    async def _tend(self, replica: Replica) -> None:
        while True:
            try:
                await self.look(replica)
            except Exception:
                # Whatever is wrong with one look, the next must come.
                _log.exception("%s cannot be looked after", replica.name)
            await asyncio.sleep(self._every)

    async def _listed(self, engine: Engine) -> Mapping[str, str] | None:
        """The adapters that it serves, and their folders; None where it does not answer."""
        address = engine.address
        health = self._kept.health(address)
        try:
            listed = await engine.adapters()
        except ProviderError as error:
            self._in_vain[address] += 1
            if self._in_vain[address] >= PATIENCE and error.retryable and not health.down:
                _log.warning("%s does not answer and is not asked: %s", address, error.message)
                health.down = True
            return None
        if health.down:
            _log.warning("%s answers again", address)
            health.breaker.close(self._kept.view.now())
        self._in_vain[address], health.down = 0, False
        return listed

    def _sorted(self, listed: Mapping[str, str]) -> tuple[set[str], set[str]]:
        """The names that may be used, and those that were registered and are no more. A name
        with another folder than the register's is neither: loading it puts that right."""
        named, removed = set(), set()
        for name, folder in listed.items():
            served = self._fleet.adapters.served(self._fleet.name, name)
            if served is not None:
                if served.path == folder:
                    named.add(name)
            elif self._fleet.adapters.removed(self._fleet.name, name):
                removed.add(name)
            else:
                named.add(name)  # the engine was started with it
        return named, removed

    def _place_pins(self, pinned: Mapping[str, Served]) -> None:
        placed = pins(pinned, {each.name: each.slots for each in self._fleet.replicas})
        for replica in self._fleet.replicas:
            mirror.pinned(replica, placed.kept[replica.name])
        if placed.short and placed.short != self._short:
            told = ", ".join(placed.short)
            _log.warning("%s has no room to keep all of %s loaded", self._fleet.name, told)
        self._short = placed.short

    async def _pin(self, replica: Replica, served: Served) -> None:
        """Bring what is to stay and is not there, where a slot is idle. Raises ProviderError."""
        if served.name in replica.gpu or len(replica.under_way) >= replica.slots:
            return
        loads, view = self._kept.loads, self._kept.view
        if loads.refused(replica, served.name):
            return
        if served.name not in replica.cpu:
            loads.pushed_out(replica, served.name)
        placement = placed(Wanted(served.name, served.priority), (replica,), view.now())
        touch = placement.touch if placement else ()
        for name in touch:
            view.touched(replica, name)
        in_memory = loads.ready(replica, served)
        await self._fleet.made_ready(replica, served, touch)
        if in_memory:
            await self._fleet.engines[replica.name].use(served.name)
            view.touched(replica, served.name)
