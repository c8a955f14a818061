"""Rendezvous hashing: an order of replicas for each adapter that everybody arrives at alone.

Whoever leaves takes only what was his, and who joins takes his share of each (Thaler and
Ravishankar, A Name-Based Mapping Scheme for Rendezvous, 1996). Python's own hash differs from
process to process; blake2b does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from routing.placement.types import Replica

SPREAD = 4.0  # times the replicas that an adapter's part of the load would fill


@lru_cache(maxsize=16_384)  # some times a thousand adapters, as replicas come and go
def ranked(adapter: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, from the first choice to the last."""
    return tuple(sorted(names, key=lambda name: (_weight(adapter, name), name), reverse=True))


def copies_alone(adapter: str, replicas: Sequence[Replica]) -> int:
    """Replicas that an adapter is kept to while gateways cannot talk: one, and more by its part
    of what is under way. Each gateway sees its own requests alone, but about the same part."""
    total = mine = 0
    for replica in replicas:
        total += replica.in_flight
        mine += replica.under_way.get(adapter, 0)
    return 1 + int(SPREAD * len(replicas) * mine / max(total, 1))


def first(adapter: str, replicas: Sequence[Replica], count: int) -> list[Replica]:
    """The first choices alone."""
    if count >= len(replicas):
        return list(replicas)
    chosen = ranked(adapter, tuple(replica.name for replica in replicas))[:count]
    return [replica for replica in replicas if replica.name in chosen]


def kept(adapter: str, replicas: Sequence[Replica]) -> list[Replica]:
    """Where an adapter is served while gateways cannot talk: where it was when they last did, and
    the first of its order."""
    order = ranked(adapter, tuple(replica.name for replica in replicas))
    chosen = order[: copies_alone(adapter, replicas)]
    return [each for each in replicas if adapter in each.cpu or each.name in chosen]


def _weight(adapter: str, name: str) -> bytes:
    text = f"{adapter}\0{name}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=8).digest()
