"""What others route by, each re-implemented from its published rule over mirrors that are exact and
told at once. They send at once; whatever waits, waits in the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeAlias

from routing.placement.rendezvous import first, ranked
from routing.placement.types import Replica

Rule: TypeAlias = Callable[[str, Sequence[Replica], Random], Replica]

CHBL = 1.25  # times the mean load


def least_loaded(adapter: str, replicas: Sequence[Replica], random: Random) -> Replica:
    """Fewest requests under way."""
    least = min(replica.in_flight for replica in replicas)
    return random.choice([replica for replica in replicas if replica.in_flight == least])


def drawn(adapter: str, replicas: Sequence[Replica], random: Random) -> Replica:
    """Any."""
    return random.choice(replicas)


def sticky(adapter: str, replicas: Sequence[Replica], random: Random) -> Replica:
    """Always the one that the adapter hashes to."""
    return first(adapter, replicas, 1)[0]


def bounded(adapter: str, replicas: Sequence[Replica], random: Random) -> Replica:
    """Consistent hashing with bounded loads: the first in the adapter's order that has room."""
    total = sum(replica.in_flight for replica in replicas) + 1
    room = math.ceil(CHBL * total / len(replicas))
    by_name = {replica.name: replica for replica in replicas}
    order = ranked(adapter, tuple(by_name))
    return next(by_name[name] for name in order if by_name[name].in_flight < room)


def inference_extension(adapter: str, replicas: Sequence[Replica], random: Random) -> Replica:
    """The Gateway API's endpoint picker (llm-d): LoRA affinity and queue depth, weighed alike.
    Affinity is seen only while a request of the adapter runs, as vLLM's metric shows no more."""
    loads = [replica.in_flight for replica in replicas]
    spread = max(max(loads) - min(loads), 1)

    def score(replica: Replica) -> float:
        queue = (max(loads) - replica.in_flight) / spread
        if adapter in replica.under_way:
            return 1.0 + queue
        return (0.8 if len(replica.under_way) < replica.slots else 0.0) + queue

    best = max(map(score, replicas))
    return random.choice([replica for replica in replicas if score(replica) == best])


def multiplexed(adapter: str, replicas: Sequence[Replica], random: Random) -> Replica:
    """Ray Serve: of two drawn from those that have the adapter and a free seat the less busy one;
    where none has, of those with the fewest adapters."""
    having = [r for r in replicas if adapter in r.cpu and r.in_flight < r.seats]
    if not having:
        fewest = min(len(replica.cpu) for replica in replicas)
        having = [replica for replica in replicas if len(replica.cpu) == fewest]
    two = random.sample(having, min(2, len(having)))
    return min(two, key=lambda replica: replica.in_flight)


COMPARED: Mapping[str, Rule] = {
    "least loaded": least_loaded,
    "bounded hashing": bounded,
    "random": drawn,
    "sticky hashing": sticky,
}
"""What ours is held against."""
OTHERS: Mapping[str, Rule] = {"endpoint picker": inference_extension, "Ray": multiplexed}
