"""All replicas of one provider as this gateway sees them: what it does itself at once, what others
do when it hears of it.

A mirror is changed by routing/placement/mirror.py alone. What each other gateway has under way is
counted apart, so that all of it can be taken back when that gateway is gone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.deployments import Clock
from gateway.fleet.config import LoraConfig
from gateway.fleet.sharing import Doing
from routing.placement import mirror
from routing.placement.types import Promise, Replica

NO_LORA = LoraConfig(slots=1, cpu_slots=1, seats=10**9)
"""Replicas of a plain model: nothing is counted in slots, and the engine keeps its own queue."""
TOLD_WITHIN = 0.02  # seconds until what another gateway does is heard here


@dataclass(slots=True)
class Part:
    """What one gateway has under way on one replica."""

    requests: defaultdict[str | None, int] = field(default_factory=lambda: defaultdict(int))
    unread: int = 0

    def add(self, adapter: str | None, requests: int) -> None:
        """So many more, or fewer."""
        self.requests[adapter] += requests
        if self.requests[adapter] <= 0:
            del self.requests[adapter]


def _nothing() -> None:
    """Nobody waits."""


class View:
    """One provider's."""

    def __init__(
        self,
        provider: str,
        tell: Callable[[Doing], None],
        now: Clock = time.monotonic,
    ) -> None:
        self.alone = False  # others are not heard
        self.changed: Callable[[], None] = _nothing  # told when somebody else gave something back
        self.now = now
        self.provider = provider
        self._tell = tell
        self._replicas: dict[str, Replica] = {}
        self._own: defaultdict[str, Part] = defaultdict(Part)
        self._others: defaultdict[str, defaultdict[str, Part]] = defaultdict(
            lambda: defaultdict(Part)
        )

    def of(self, address: str, lora: LoraConfig | None) -> Replica:
        """A replica's mirror, made when it is first asked for."""
        known = self._replicas.get(address)
        if known is None:
            said = lora or NO_LORA
            known = Replica(address, said.slots, said.cpu_slots, said.seats)
            self._replicas[address] = known
        return known

    def configure(self, addresses: Collection[str], lora: LoraConfig | None) -> None:
        """These are the replicas from now on, and this is what each of them holds."""
        for gone in self._replicas.keys() - set(addresses):
            del self._replicas[gone]
            self._own.pop(gone, None)
        said = lora or NO_LORA
        for replica in self._replicas.values():
            replica.slots, replica.cpu_slots, replica.seats = said.slots, said.cpu_slots, said.seats

    # --- what this gateway does -----------------------------------------------------------------

    def entered(self, replica: Replica, adapter: str | None, tokens: int) -> None:
        """It sends a request."""
        now = self.now()
        mirror.entered(replica, adapter, tokens, now)
        if self._others:
            mirror.assumed(replica, len(self._others), tokens, now, TOLD_WITHIN)
        part = self._own[replica.name]
        part.requests[adapter] += 1
        part.unread += tokens
        self._tell(("entered", self.provider, replica.name, adapter, tokens))

    def answering(self, replica: Replica, adapter: str | None, tokens: int) -> None:
        """The first of its answer has come."""
        mirror.answering(replica, adapter, tokens)
        if not self._is_one(replica):
            return
        self._own[replica.name].unread -= tokens
        self._tell(("answering", self.provider, replica.name, adapter, tokens))

    def left(self, replica: Replica, adapter: str | None, tokens: int) -> None:
        """It is over; `tokens` as for routing/placement/mirror.py."""
        mirror.left(replica, adapter, tokens, self.now())
        if not self._is_one(replica):
            return
        part = self._own[replica.name]
        part.add(adapter, -1)
        part.unread -= tokens
        self._tell(("left", self.provider, replica.name, adapter, tokens))

    def loaded(self, replica: Replica, adapter: str) -> None:
        """Its engine has an adapter now."""
        mirror.loaded(replica, adapter, self.now())
        self._tell(("loaded", self.provider, replica.name, adapter, None))

    def touched(self, replica: Replica, adapter: str) -> None:
        """An adapter was used, to be kept."""
        mirror.touched(replica, adapter, self.now())
        self._tell(("touched", self.provider, replica.name, adapter, None))

    def evicted(self, replica: Replica, adapter: str) -> None:
        """Its engine does not have it."""
        mirror.evicted(replica, adapter)
        self._tell(("evicted", self.provider, replica.name, adapter, None))

    def promised(self, replica: Replica, promise: Promise | None) -> None:
        """Somebody has waited too long, or waits no more."""
        mirror.promised(replica, promise)
        said = promise and (promise.instead_of, promise.until - self.now())
        adapter = promise.adapter if promise else None
        self._tell(("promised", self.provider, replica.name, adapter, said))

    # --- what others do -------------------------------------------------------------------------

    def heard(self, gateway: str, doing: Doing) -> None:
        """Another gateway did this. Of a replica that is none here nothing is known."""
        what, _, name, adapter, more = doing
        if (replica := self._replicas.get(name)) is None:
            return
        now, part = self.now(), self._others[gateway][name]
        match what:
            case "entered":
                mirror.entered(replica, adapter, more, now)
                part.add(adapter, 1)
                part.unread += more
            case "answering" if adapter in part.requests:
                mirror.answering(replica, adapter, more)
                part.unread = max(part.unread - more, 0)
            case "left" if adapter in part.requests:  # else its beginning was missed
                mirror.left(replica, adapter, more, now)
                part.add(adapter, -1)
                part.unread = max(part.unread - more, 0)
            case "loaded" if adapter is not None:
                mirror.loaded(replica, adapter, now)
            case "touched" if adapter is not None:
                mirror.touched(replica, adapter, now)
            case "evicted" if adapter is not None:
                mirror.evicted(replica, adapter)
            case "promised":
                mirror.promised(replica, _promise(adapter, more, now))
        if what in ("left", "promised", "evicted"):
            self.changed()

    def heard_whole(self, gateway: str, replicas: Mapping[str, Mapping[str, Any]]) -> None:
        """All that another gateway has under way, and what it knows of replicas that nothing is
        known of here."""
        now = self.now()
        for name, said in replicas.items():
            if (replica := self._replicas.get(name)) is None:
                continue
            part = Part()
            for adapter, requests in said["requests"]:
                part.add(adapter, requests)
            part.unread = said["unread"]
            self._exchanged(replica, self._others[gateway].get(name), part)
            self._others[gateway][name] = part
            if not replica.cpu:
                replica.cpu = dict.fromkeys(said["cpu"])
                replica.gpu = {adapter: now - age for adapter, age in said["gpu"]}
        for name in self._others[gateway].keys() - replicas.keys():
            self._forget(name, self._others[gateway].pop(name))
        self.changed()

    def gone(self, gateway: str) -> None:
        """Nothing of it is under way any more."""
        for name, part in self._others.pop(gateway, {}).items():
            self._forget(name, part)
        self.changed()

    def whole(self) -> Mapping[str, Mapping[str, Any]]:
        """All of this gateway's, for the others."""
        now = self.now()
        return {
            name: {
                "requests": list(self._own[name].requests.items()),
                "unread": self._own[name].unread,
                "cpu": list(replica.cpu),
                "gpu": [(adapter, now - at) for adapter, at in replica.gpu.items()],
            }
            for name, replica in self._replicas.items()
        }

    def _is_one(self, replica: Replica) -> bool:
        """Whether it still is a replica: what was sent to it before a change of the configuration
        ends after it, and an address may have come back as another mirror."""
        return self._replicas.get(replica.name) is replica

    def _forget(self, name: str, part: Part) -> None:
        if replica := self._replicas.get(name):
            self._exchanged(replica, part, Part())

    def _exchanged(self, replica: Replica, before: Part | None, after: Part) -> None:
        """What a gateway had under way is replaced; that uses no adapter."""
        before = before or Part()
        for adapter in before.requests.keys() | after.requests.keys():
            more = after.requests.get(adapter, 0) - before.requests.get(adapter, 0)
            replica.in_flight += more
            if adapter is None or not more:
                continue
            under_way = replica.under_way.pop(adapter, 0) + more
            if under_way > 0:
                replica.under_way[adapter] = under_way
            else:
                replica.loading.pop(adapter, None)  # for whoever is gone
        replica.unread = max(replica.unread + after.unread - before.unread, 0)


def _promise(adapter: str | None, said: Iterable[Any] | None, now: float) -> Promise | None:
    if adapter is None or said is None:
        return None
    instead_of, seconds = said
    return Promise(adapter, instead_of, now + seconds)
