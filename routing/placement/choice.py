"""Which replica a request is sent to: the one that will answer it soonest, where what the choice
costs the others there counts, too.

A cost is in seconds until the first token: who is ahead in the queue; bringing the adapter where
it is not; a part of what everybody on the replica loses meanwhile, as engines load between two
steps; waiting where no slot is free; what it takes to bring back what is evicted; less the part of
the prompt that the replica has read before. It knows replicas as their mirrors have them, and
neither how mirrors are kept nor who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from routing.placement.rendezvous import ranked
from routing.placement.slots import admits, older, victim
from routing.placement.types import Knobs, Placement, Priority, Replica, Tier, Wanted

NO_PRIORITIES: Mapping[str, Priority] = MappingProxyType({})
KNOBS = Knobs()


def placed(
    wanted: Wanted,
    replicas: Sequence[Replica],
    now: float,
    knobs: Knobs = KNOBS,
    priorities: Mapping[str, Priority] = NO_PRIORITIES,
) -> Placement | None:
    """Where it goes, among replicas that can be asked at all; None where there is none.

    Priorities are those of the adapters that may be evicted; who has none is medium.
    """
    if not replicas:
        return None
    adapter = wanted.adapter
    best, least = None, 0.0
    for replica in _within_bound(replicas, knobs):
        cost = _cost(replica, wanted, now, knobs)
        if best is None or cost < least - knobs.tie:
            best, least = replica, cost
        elif cost <= least + knobs.tie and _before(adapter, replica, best, replicas):
            best, least = replica, min(cost, least)
    assert best is not None
    return _placement(best, adapter, least, now, knobs, priorities)


def _within_bound(replicas: Sequence[Replica], knobs: Knobs) -> list[Replica]:
    """Those that have no more than their share under way (Mirrokni, Thorup and Zadimoghaddam,
    Consistent Hashing with Bounded Loads, 2018). The least loaded always is one of them."""
    total = 1
    for replica in replicas:
        total += replica.in_flight
    bound = max(knobs.bound * total / len(replicas), knobs.few)
    return [replica for replica in replicas if replica.in_flight < bound]


def _cost(replica: Replica, wanted: Wanted, now: float, knobs: Knobs) -> float:
    costs = replica.costs
    adapter = wanted.adapter
    requests, unread = replica.in_flight, replica.unread
    for assumed in replica.assumed:
        if assumed.until > now:
            requests += assumed.requests
            unread += assumed.tokens
    cost = costs.queue * requests + knobs.reading * costs.prefill * unread
    if wanted.cached:
        cost -= costs.prefill * wanted.cached.get(replica.name, 0)
    if not admits(replica, adapter, now):
        cost += max(knobs.slot_wait, knobs.waits_on * wanted.waited)
    if replica.loading:  # nothing is answered meanwhile, whoever it is loaded for
        cost += max(max(replica.loading.values()) - now, 0.0)
    if adapter is None or adapter in replica.gpu:
        return cost
    load = costs.from_cpu if adapter in replica.cpu else costs.from_disk
    cost += load + knobs.others * replica.in_flight * load
    if len(replica.gpu) >= replica.slots:
        cost += knobs.evict * costs.from_cpu
        if len(replica.cpu) >= replica.cpu_slots and adapter not in replica.cpu:
            cost += knobs.evict * costs.from_disk
    return cost


def _before(
    adapter: str | None, replica: Replica, other: Replica, replicas: Sequence[Replica]
) -> bool:
    """Of two that cost the same: by rendezvous where an adapter is wanted, by load otherwise."""
    if adapter is None:
        return replica.in_flight < other.in_flight
    order = ranked(adapter, tuple(each.name for each in replicas))
    return order.index(replica.name) < order.index(other.name)


def _placement(
    replica: Replica,
    adapter: str | None,
    cost: float,
    now: float,
    knobs: Knobs,
    priorities: Mapping[str, Priority],
) -> Placement:
    tier = tier_of(replica, adapter, now)
    if not admits(replica, adapter, now):
        return Placement(replica.name, tier, cost, wait=True)
    if adapter is None or adapter in replica.gpu or len(replica.gpu) < replica.slots:
        return Placement(replica.name, tier, cost)
    goes = victim(replica, priorities, now, knobs.stale)
    touch = older(replica, goes) if goes is not None else ()
    return Placement(replica.name, tier, cost, evicts=goes, touch=touch)


def tier_of(replica: Replica, adapter: str | None, now: float) -> Tier:
    """Where the replica has the adapter."""
    if adapter is None:
        return "base"
    if adapter in replica.gpu:
        return "loading" if replica.loading.get(adapter, now) > now else "gpu"
    return "cpu" if adapter in replica.cpu else "disk"
