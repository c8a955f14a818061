"""How replicas and adapters stand: as families for Prometheus, and as JSON for an operator.

Asked for when somebody looks; nothing here is touched by a request. On a page that everybody may
read, teams' adapters are left out, and replicas are numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.fleet.counts import MOST, OTHER, Adapter
from gateway.fleet.fleets import Fleets
from gateway.fleet.provider import Fleet
from gateway.metrics.exposition import Family, Labels, Sample
from routing.placement.choice import tier_of
from routing.placement.types import Replica


def families(fleets: Fleets, *, public: bool) -> Iterator[Family]:
    """For the page of metrics."""
    serving = fleets.serving
    adapters = [
        ((("provider", name), ("adapter", adapter.served.name)), adapter)
        for name, fleet in serving.items()
        for adapter in fleet.kept.counts.all()
        if not (public and adapter.served.tenant)
    ]
    yield from _adapters(adapters)
    yield Family(
        "moorline_adapter_replicas",
        "gauge",
        "Replicas that have an adapter, by where.",
        [
            Sample(count, (("provider", name), ("adapter", adapter), ("tier", tier)))
            for name, fleet in serving.items()
            for (adapter, tier), count in _resident(fleet, public).items()
        ],
    )
    yield Family(
        "moorline_adapter_waiting",
        "gauge",
        "Requests that wait for a slot or a seat.",
        [
            Sample(sum(fleet.places.waiting.values()), (("provider", name),))
            for name, fleet in serving.items()
        ],
    )
    replicas = [
        (
            (("provider", name), ("replica", str(number) if public else replica.name)),
            fleet,
            replica,
        )
        for name, fleet in serving.items()
        for number, replica in enumerate(fleet.replicas, 1)
    ]
    yield Family(
        "moorline_replica_in_flight",
        "gauge",
        "Requests under way on a replica, of all gateways that are heard.",
        [Sample(replica.in_flight, labels) for labels, _, replica in replicas],
    )
    yield Family(
        "moorline_replica_up",
        "gauge",
        "Whether a replica answers.",
        [
            Sample(not fleet.kept.health(replica.name).down, labels)
            for labels, fleet, replica in replicas
        ],
    )


def _adapters(adapters: Sequence[tuple[Labels, Adapter]]) -> Iterator[Family]:
    yield Family(
        "moorline_adapter_requests_total",
        "counter",
        "Calls of an adapter that are over, by how.",
        [
            Sample(count, (*labels, ("outcome", outcome)))
            for labels, adapter in adapters
            for outcome, count in sorted(adapter.ends.items())
        ],
    )
    yield Family(
        "moorline_adapter_placements_total",
        "counter",
        "Calls by where the adapter was: gpu and loading are hits, cpu and disk misses.",
        [
            Sample(count, (*labels, ("tier", tier)))
            for labels, adapter in adapters
            for tier, count in sorted(adapter.tiers.items())
        ],
    )
    yield Family(
        "moorline_adapter_evictions_total",
        "counter",
        "Times that an adapter gave up a slot for another one.",
        [Sample(each.evictions, labels) for labels, each in adapters if each.evictions],
    )
    yield Family(
        "moorline_adapter_load_failures_total",
        "counter",
        "Loads of an adapter that failed for good.",
        [Sample(each.failures, labels) for labels, each in adapters if each.failures],
    )
    yield Family(
        "moorline_adapter_load_seconds",
        "histogram",
        "What it took to load an adapter.",
        [s for labels, adapter in adapters for s in adapter.loads.samples(labels)],
    )
    yield Family(
        "moorline_adapter_first_token_seconds",
        "histogram",
        "From a streamed call's place on a replica to the first of its answer.",
        [s for labels, adapter in adapters for s in adapter.firsts.samples(labels)],
    )
    yield Family(
        "moorline_adapter_duration_seconds",
        "histogram",
        "From a call's place on a replica to the end of its answer.",
        [s for labels, adapter in adapters for s in adapter.answers.samples(labels)],
    )


def _resident(fleet: Fleet, public: bool) -> Counter[tuple[str, str]]:
    """Adapter and tier → replicas. What is not counted by its name is counted as one."""
    found: Counter[tuple[str, str]] = Counter()
    names: set[str] = set()
    for replica in fleet.replicas:
        for adapter in replica.cpu:
            served = fleet.adapters.served(fleet.name, adapter)
            if public and served and served.tenant:
                continue
            known = adapter in names or len(names) < MOST
            if known:
                names.add(adapter)
            tier = "gpu" if adapter in replica.gpu else "cpu"
            found[adapter if known else OTHER, tier] += 1
    return found


def state(fleets: Fleets) -> list[dict[str, Any]]:
    """Every provider that has replicas, as this gateway sees it."""
    return [_provider(fleet) for fleet in fleets.serving.values()]


def _provider(fleet: Fleet) -> dict[str, Any]:
    lora, waiting = fleet.config.lora, fleet.places.waiting
    return {
        "provider": fleet.name,
        "shared": not fleet.kept.view.alone,
        "lora": lora
        and {"slots": lora.slots, "cpu_slots": lora.cpu_slots, "max_rank": lora.max_rank},
        "waiting": sum(waiting.values()),
        "waiting_for": {name: count for name, count in waiting.items() if name},
        "replicas": [_replica(fleet, each, fleet.kept.view.now()) for each in fleet.replicas],
    }


def _replica(fleet: Fleet, replica: Replica, now: float) -> dict[str, Any]:
    health, costs = fleet.kept.health(replica.name), replica.costs
    promise = replica.promise if replica.promise and now < replica.promise.until else None
    return {
        "replica": replica.name,
        "up": not health.down,
        "breaker": health.breaker.state,
        "in_flight": replica.in_flight,
        "adapters": {
            adapter: {
                "tier": tier_of(replica, adapter, now),
                "in_flight": replica.under_way.get(adapter, 0),
                "pinned": adapter in replica.pinned,
                "idle_s": _idle(replica, adapter, now),
            }
            for adapter in dict.fromkeys((*replica.cpu, *replica.pinned))
        },
        "promised_to": promise and promise.adapter,
        "costs_ms": {
            "queue": round(costs.queue * 1000, 2),
            "from_cpu": round(costs.from_cpu * 1000, 2),
            "from_disk": round(costs.from_disk * 1000, 2),
        },
    }


def _idle(replica: Replica, adapter: str, now: float) -> float | None:
    used = replica.gpu.get(adapter)
    return None if used is None else round(now - used, 1)
