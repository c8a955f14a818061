"""The page that Prometheus reads: what was counted, and how things stand at this moment."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.admission import Admission
from gateway.deployments import Deployments
from gateway.fleet.fleets import Fleets
from gateway.fleet.telling import families
from gateway.ledger.writer import LedgerWriter
from gateway.metrics import process
from gateway.metrics.counts import Counts
from gateway.metrics.exposition import Family, Sample, counter, gauge, page
from gateway.providers.wire.client import Client


@dataclass(frozen=True, slots=True)
class Metrics:
    """Holds what is asked when somebody looks; nothing here is touched by a request."""

    counts: Counts
    admission: Admission
    ledger: LedgerWriter
    clients: Mapping[str, Client]  # of the providers
    deployments: Deployments
    fleets: Fleets

    def text(self, version: str, *, public: bool) -> str:
        """All of it; without what is a team's own where everybody may read it."""
        return page(self._families(version, public))

    def _families(self, version: str, public: bool) -> Iterator[Family]:
        yield from self.counts.families()
        yield from _door(self.admission)
        yield from _connections(self.clients)
        yield from _models(self.deployments)
        yield from families(self.fleets, public=public)
        yield from _records(self.ledger)
        yield gauge(
            "moorline_build_info",
            "What runs; always 1.",
            1,
            version=version,
            python=platform.python_version(),
        )
        yield from process.families()


def _door(admission: Admission) -> Iterator[Family]:
    yield gauge("moorline_in_flight", "Requests being answered.", admission.in_flight)
    yield gauge("moorline_waiting", "Requests that wait to be answered.", admission.waiting)
    yield counter("moorline_overloaded_total", "Requests refused for load.", admission.refused)


def _connections(clients: Mapping[str, Client]) -> Iterator[Family]:
    pools = [(name, pool) for name, client in clients.items() for _, pool in client.pools()]
    states = {
        "busy": [pool.places - pool.idle for _, pool in pools],
        "idle": [pool.idle for _, pool in pools],
        "waiting": [pool.waiting for _, pool in pools],
    }
    yield Family(
        "moorline_upstream_connections",
        "gauge",
        "Connections to providers; `waiting` are calls that wait for one.",
        [
            Sample(count, (("provider", name), ("state", state)))
            for state, counts in states.items()
            for (name, _), count in zip(pools, counts, strict=True)
        ],
    )


def _models(deployments: Deployments) -> Iterator[Family]:
    # Adapters are as many as are registered, and some are a team's own: their fleet tells of them.
    asked = [each for each in deployments.asked() if not each.target.adapts]
    yield Family(
        "moorline_breaker_state",
        "gauge",
        "1 for the state that a model's breaker is in.",
        [Sample(1, (("model", each.target.name), ("state", each.breaker.state))) for each in asked],
    )
    yield Family(
        "moorline_model_in_flight",
        "gauge",
        "Calls of a model under way.",
        [Sample(each.in_flight, (("model", each.target.name),)) for each in asked],
    )


def _records(ledger: LedgerWriter) -> Iterator[Family]:
    yield gauge("moorline_ledger_queue", "Requests that wait to be written.", ledger.waiting)
    yield counter("moorline_ledger_dropped_total", "Requests never written.", ledger.dropped)
    yield Family(
        "moorline_spans_dropped_total",
        "counter",
        "Spans that a collector did not take.",
        [Sample(count, (("sink", name),)) for name, count in ledger.sinks_dropped()],
    )
