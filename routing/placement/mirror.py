"""What has happened to a replica, told to its mirror: the gateway's own doing, what other gateways
say, what the engine answers. One function a happening, each in place and without a clock.

An engine keeps adapters in two lists by the time of use, in the GPU's slots and in memory, and
drops what was used longest ago. What runs is used in every step and is never dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from routing.placement.types import Assumed, Promise, Replica

V = TypeVar("V")


def entered(replica: Replica, adapter: str | None, tokens: int, now: float) -> None:
    """A request was sent; an adapter that is not there is loaded for it."""
    replica.in_flight += 1
    replica.unread += tokens
    if adapter is None:
        return
    replica.under_way[adapter] = replica.under_way.get(adapter, 0) + 1
    if adapter not in replica.gpu:
        begins = max(now, *replica.loading.values()) if replica.loading else now
        costs = replica.costs
        takes = costs.from_cpu if adapter in replica.cpu else costs.from_disk
        replica.loading[adapter] = begins + takes  # one after another
    if replica.promise is not None and replica.promise.adapter == adapter:
        replica.promise = None
    touched(replica, adapter, now)


def assumed(replica: Replica, others: int, tokens: int, now: float, told_within: float) -> None:
    """A request was sent by one of several gateways. Bursts come to all of them alike, and all
    find the same replica the best; so until the others can have told, each is taken to have sent
    one, too."""
    still = [each for each in replica.assumed if each.until > now]
    if others:
        still.append(Assumed(others, others * tokens, now + told_within))
    replica.assumed = tuple(still)


def answering(replica: Replica, adapter: str | None, tokens: int) -> None:
    """Its first token has come: the prompt is read, the adapter was there."""
    replica.unread = max(replica.unread - tokens, 0)
    if adapter is not None:
        replica.loading.pop(adapter, None)


def left(replica: Replica, adapter: str | None, tokens: int, now: float) -> None:
    """A request is over; `tokens` are those of its prompt if no first token was told of."""
    replica.in_flight = max(replica.in_flight - 1, 0)
    replica.unread = max(replica.unread - tokens, 0)
    if adapter is None:
        return
    replica.loading.pop(adapter, None)
    under_way = replica.under_way.get(adapter, 0) - 1
    if under_way > 0:
        replica.under_way[adapter] = under_way
    else:
        replica.under_way.pop(adapter, None)
    if adapter in replica.gpu:
        touched(replica, adapter, now)


def touched(replica: Replica, adapter: str, now: float) -> None:
    """It was used, and thereby loaded if it was not there."""
    _used_last(replica.cpu, adapter, None)
    _used_last(replica.gpu, adapter, now)
    while len(replica.gpu) > replica.slots:  # by more than one where it has fewer slots than before
        _drop_oldest(replica.gpu, replica, adapter)
    while len(replica.cpu) > replica.cpu_slots:
        dropped = _drop_oldest(replica.cpu, replica, adapter)
        replica.gpu.pop(dropped, None)
        replica.loading.pop(dropped, None)


def loaded(replica: Replica, adapter: str, now: float) -> None:
    """The engine says that it is there."""
    replica.loading.pop(adapter, None)
    touched(replica, adapter, now)


def evicted(replica: Replica, adapter: str) -> None:
    """The engine does not have it (any more), or could not load it."""
    replica.gpu.pop(adapter, None)
    replica.cpu.pop(adapter, None)
    replica.loading.pop(adapter, None)


def pinned(replica: Replica, adapters: Collection[str]) -> None:
    """These keep their slots, and no others."""
    replica.pinned = frozenset(adapters)


def promised(replica: Replica, promise: Promise | None) -> None:
    """Somebody who waited too long gets the next slot; None where he has gone away."""
    replica.promise = promise


def reconciled(replica: Replica, registered: Iterable[str]) -> None:
    """The engine lists these. That one is listed says not where it is; what is not listed is not
    there, unless it is being loaded. What was unknown may be in memory: as what was used longest
    ago, it goes first."""
    listed = set(registered)
    for adapter in [name for name in replica.cpu if name not in listed]:
        if adapter not in replica.loading:
            evicted(replica, adapter)
    room = max(replica.cpu_slots - len(replica.cpu), 0)
    unknown = sorted(listed - replica.cpu.keys())[:room]
    if unknown:
        replica.cpu = {**dict.fromkeys(unknown), **replica.cpu}


def resident(replica: Replica, where: Mapping[str, Collection[str]]) -> None:
    """The engine says of each adapter whether it is in a slot (`gpu`), in memory (`cpu`) or both.
    That goes for what is idle: of what is on its way more is known here."""
    busy = replica.under_way.keys() | replica.loading.keys()
    for adapter in [name for name in replica.cpu if name not in busy]:
        if adapter not in where:
            evicted(replica, adapter)
        elif "gpu" not in where[adapter]:
            replica.gpu.pop(adapter, None)
    unseen = [name for name in where if name not in replica.cpu]
    replica.cpu = {**dict.fromkeys(unseen), **replica.cpu}
    slotted = [name for name in where if "gpu" in where[name] and name not in replica.gpu]
    replica.gpu = {**dict.fromkeys(slotted, 0.0), **replica.gpu}


def _used_last(mirror: dict[str, V], adapter: str, value: V) -> None:
    mirror.pop(adapter, None)
    mirror[adapter] = value


def _drop_oldest(mirror: dict[str, V], replica: Replica, but: str) -> str:
    """The adapter that an engine drops: the oldest that is neither running nor kept in use by its
    pin; where all are, the oldest, as an engine knows nothing of what it has not begun."""
    others = [adapter for adapter in mirror if adapter != but]
    idle = (a for a in others if a not in replica.under_way and a not in replica.pinned)
    dropped = next(idle, others[0])
    del mirror[dropped]
    return dropped
