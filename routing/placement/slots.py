"""Slots of a replica: whether one can be had, and who gives it up.

An engine that is sent more adapters than it has slots serves those that run and lets the others
starve (vLLM skips what does not fit for what does), so it is never sent more at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from routing.placement.types import RANK, Priority, Promise, Replica


def promised(replica: Replica, now: float) -> Promise | None:
    """The promise that holds now."""
    promise = replica.promise
    return promise if promise is not None and now < promise.until else None


def admits(replica: Replica, adapter: str | None, now: float) -> bool:
    """Whether a request for this adapter may be sent now."""
    promise = promised(replica, now) if replica.promise is not None else None
    kept_free = promise is not None and promise.adapter != adapter
    if replica.in_flight >= replica.seats - kept_free:
        return False
    if adapter is None:
        return True
    if adapter in replica.under_way:
        return promise is None or promise.instead_of != adapter
    if adapter in replica.pinned:
        return True
    kept = len(replica.under_way)
    for name in replica.pinned:
        kept += name not in replica.under_way
    if promise is not None and kept_free:
        kept += promise.adapter not in replica.under_way and promise.adapter not in replica.pinned
    return kept < replica.slots


def victim(
    replica: Replica, priorities: Mapping[str, Priority], now: float, stale: float
) -> str | None:
    """The idle adapter that matters least, of those the one used longest ago. A priority counts
    while it is made use of: unused for long, an adapter is as good as a low one."""
    best, worst = None, -1
    for adapter, used in replica.gpu.items():
        if adapter in replica.under_way or adapter in replica.pinned:
            continue
        rank = RANK["low"] if now - used > stale else RANK[priorities.get(adapter, "medium")]
        if rank > worst:
            best, worst = adapter, rank
    return best


def older(replica: Replica, adapter: str) -> tuple[str, ...]:
    """Idle adapters that an engine would evict before this one: it goes by the time of use alone,
    so they are used once before it has to make room."""
    names = []
    for name in replica.gpu:
        if name == adapter:
            break
        if name not in replica.under_way:
            names.append(name)
    return tuple(names)
