"""What naming an adapter adds to a request: finding it among many, and the replica it goes to.

The ratio is to planning a request that names a model of the configuration, in turn with it; that
takes as long whether adapters are registered or not.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.registry import Registry
from gateway.adapters.store import AdapterStore, Draft
from gateway.adapters.targets import AdapterTargets
from gateway.adapters.types import Facts
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import open_database
from gateway.routes import Router
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller
from routing.catalogue import Catalogue
from routing.config import RoutingConfig
from routing.placement.choice import placed
from routing.placement.types import Replica, Wanted
from routing.types import Target

_REPLICAS, _SLOTS, _CPU_SLOTS = 4, 8, 64
_TEAMS = 20
_EACH = 200  # requests of a round


@dataclass(frozen=True, slots=True)
class Report:
    """Milliseconds of processor time a request, medians over rounds, and under which conditions."""

    adapters: int
    rounds: int
    look_up: float
    resolve: float  # the look-up and the plan
    place: float
    plain: float  # the plan of a request that names a model
    refresh: float  # reading all of them again, in a thread, after a change
    machine: str

    @property
    def ratio(self) -> float:
        """Of resolving an adapter to planning for a model."""
        return self.resolve / self.plain


def measure(adapters: int, rounds: int) -> Report:
    """With so many names of several teams, two revisions each, on a few replicas."""
    with _registry(adapters) as registry:
        return _measured(registry, adapters, rounds)


def _measured(registry: Registry, adapters: int, rounds: int) -> Report:
    base = Target("vllm", "base", 32_768, 4096)
    targets = AdapterTargets(registry, {"vllm": base})
    router = Router(Catalogue({base.name: base}), RoutingConfig(), adapters=targets)
    noise = random.Random(0)
    drawn = [noise.randrange(adapters) for _ in range(_EACH)]
    callers = [Caller(str(each), "", team=f"team{each % _TEAMS}") for each in drawn]
    asks = [Ask(f"adapter-{each}", (), "") for each in drawn]
    plain = [Ask("vllm/base", (), "") for _ in drawn]
    wanted = [Wanted(f"team{each % _TEAMS}:adapter-{each}@1") for each in drawn]
    replicas = _replicas(adapters)

    def look_up(place: int) -> None:
        assert registry.find(callers[place].team, asks[place].model)

    def resolve(place: int) -> None:
        router.plan(
            callers[place], router.adapted(callers[place], asks[place]), False, Span("route", 0)
        )

    def planned(place: int) -> None:
        router.plan(callers[place], plain[place], False, Span("route", 0))

    def put(place: int) -> None:
        assert placed(wanted[place], replicas, 1.0)

    works = (look_up, resolve, put, planned)
    times: list[list[float]] = [[] for _ in works]
    for turn in range(rounds + 1):  # the first makes what is made once
        for work, taken in zip(works, times, strict=True):
            ms = _ms(work)
            if turn:
                taken.append(ms)
    look, resolved, place, usual = map(statistics.median, times)
    started = time.process_time()
    Registry(registry.store)
    refresh = (time.process_time() - started) * 1000
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return Report(adapters, rounds, look, resolved, place, usual, refresh, machine)


def table(report: Report) -> str:
    """The report for people."""
    return "\n".join(
        [
            f"{report.adapters:,} adapters, {_REPLICAS} replicas; {report.machine}",
            f"look-up              {report.look_up:8.4f} ms",
            f"placement            {report.place:8.4f} ms",
            f"resolved and planned {report.resolve:8.4f} ms   ({report.ratio:.2f} times a model's)",
            f"a model's plan       {report.plain:8.4f} ms",
            f"all read again       {report.refresh:8.1f} ms   (in a thread, after a change)",
        ]
    )


def _ms(work: Callable[[int], None]) -> float:
    started = time.process_time()
    for place in range(_EACH):
        work(place)
    return (time.process_time() - started) * 1000 / _EACH


@contextmanager
def _registry(adapters: int) -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        database = open_database(SqliteLedger(), Path(folder))
        try:
            store = AdapterStore(database)
            for number in range(adapters):
                facts = Facts("base", 16, 32.0, ("q_proj", "v_proj"), "BF16", 1, f"{number:064x}")
                name, team = f"adapter-{number}", f"team{number % _TEAMS}"
                for _ in range(2):
                    store.add(Draft(team, name, "vllm", "hub:some/adapter", facts))
            yield Registry(store)
        finally:
            database.close()


def _replicas(adapters: int) -> Sequence[Replica]:
    """Full ones, with other adapters each."""
    replicas = [Replica(f"http://replica-{n}", _SLOTS, _CPU_SLOTS) for n in range(_REPLICAS)]
    for number in range(adapters):
        replica, name = replicas[number % _REPLICAS], f"team{number % _TEAMS}:adapter-{number}@1"
        if len(replica.cpu) < _CPU_SLOTS:
            replica.cpu[name] = None
        if len(replica.gpu) < _SLOTS:
            replica.gpu[name] = 0.0
    return replicas
