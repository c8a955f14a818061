"""Adapters on their way into engines: each is loaded once, however many wait for it, and what an
engine did not take is not asked of it again for a while: a load stalls all that it works on."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from gateway.errors import AdapterUnusable, OutOfMemory, ProviderError
from gateway.fleet.costs import learned
from gateway.fleet.counts import Counts
from gateway.fleet.engine import Engine
from gateway.fleet.sharing import Doing
from gateway.fleet.types import Served
from gateway.fleet.view import View
from routing.placement.types import Replica

REMEMBERED = 60.0  # seconds that an engine is not asked again for what it cannot serve
NO_MEMORY = 15.0  # the same where it had no memory, which others may give back
FAILED = 10.0  # the same where it failed otherwise, again and again

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str]
"""A replica's address and an adapter's name."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an engine said, and until when that is believed."""

    error: ProviderError
    until: float


class Loads:
    """Of all replicas of one provider."""

    def __init__(self, view: View, counts: Counts) -> None:
        self._view = view
        self._counts = counts
        self._named: defaultdict[str, set[str]] = defaultdict(set)  # that engines know by name
        self._anew: set[Key] = set()  # known by name, and to be read again
        self._under_way: dict[Key, asyncio.Task[None]] = {}
        self._refused: dict[Key, Refusal] = {}

    def named(self, replica: Replica) -> frozenset[str]:
        """Adapters that its engine serves, wherever it has them."""
        return frozenset(self._named[replica.name])

    def refused(self, replica: Replica, adapter: str) -> ProviderError | None:
        """Why its engine will not have it now, where it has said so."""
        key = replica.name, adapter
        refusal = self._refused.get(key)
        if refusal is None:
            return None
        if self._view.now() >= refusal.until:
            del self._refused[key]
            return None
        return refusal.error

    def ready(self, replica: Replica, served: Served) -> bool:
        """Whether requests may name it there."""
        return served.path is None or served.name in self._named[replica.name]

    async def load(self, engine: Engine, replica: Replica, served: Served) -> None:
        """Have it loaded, with all who want the same. Whoever goes away does not end it. Raises
        ProviderError."""
        if error := self.refused(replica, served.name):
            raise error
        key = replica.name, served.name
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._load(engine, replica, served))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
            task.add_done_callback(_looked_at)
        await asyncio.shield(task)

    def listed(self, replica: Replica, adapters: set[str]) -> None:
        """Its engine says that requests may name these, and no others."""
        self._named[replica.name] = {a for a in adapters if (replica.name, a) not in self._anew}

    def pushed_out(self, replica: Replica, adapter: str) -> None:
        """Its engine knows it by name alone, and would read its files in the middle of a step: an
        engine that finds none there dies, with everybody's requests. Loaded anew, they are read
        where a failure is an answer."""
        if adapter in self._named[replica.name]:
            self._named[replica.name].discard(adapter)
            self._anew.add((replica.name, adapter))

    def heard(self, doing: Doing) -> None:
        """What another gateway had loaded, or found not to be."""
        what, _, replica, adapter, _ = doing
        if adapter is not None and what == "loaded":
            self._there(replica, adapter)
        elif adapter is not None and what == "evicted":
            self._named[replica].discard(adapter)

    def forget(self, replica: Replica, adapter: str) -> None:
        """Its engine does not know it after all."""
        self._named[replica.name].discard(adapter)
        self._view.evicted(replica, adapter)

    def keep(self, addresses: Collection[str]) -> None:
        """The others are no replicas any more."""
        for gone in self._named.keys() - set(addresses):
            del self._named[gone]
        self._anew = {key for key in self._anew if key[0] in addresses}
        self._refused = {key: each for key, each in self._refused.items() if key[0] in addresses}

    async def aclose(self) -> None:
        """Wait for nothing more."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _load(self, engine: Engine, replica: Replica, served: Served) -> None:
        assert served.path is not None, "what engines were started with is not loaded"
        began = self._view.now()
        try:
            anew = (replica.name, served.name) in self._anew
            loaded = await engine.load(served.name, served.path, anew=anew)
        except ProviderError as error:
            self._view.evicted(replica, served.name)
            self._counts.load_failed(served)
            self._remember((replica.name, served.name), error)
            raise
        if loaded:
            seconds = self._view.now() - began
            replica.costs.from_disk = learned(replica.costs.from_disk, seconds)
            self._counts.loaded(served, seconds)
        self._there(replica.name, served.name)
        self._view.loaded(replica, served.name)

    def _there(self, address: str, adapter: str) -> None:
        self._named[address].add(adapter)
        self._anew.discard((address, adapter))
        self._refused.pop((address, adapter), None)

    def _remember(self, key: Key, error: ProviderError) -> None:
        if isinstance(error, AdapterUnusable):
            seconds = REMEMBERED
        elif isinstance(error, OutOfMemory):
            seconds = error.retry_after = NO_MEMORY
        elif error.upstream_status is not None:
            seconds = FAILED
        else:  # nobody answered: that is no adapter's affair
            return
        now = self._view.now()
        for old in [old for old, each in self._refused.items() if now >= each.until]:
            del self._refused[old]
        self._refused[key] = Refusal(error, now + seconds)
        _log.warning("%s", error.message)


def _looked_at(task: asyncio.Task[None]) -> None:
    """Whoever wanted it may be gone: an error that nobody awaits is no news to the event loop."""
    if not task.cancelled():
        task.exception()
