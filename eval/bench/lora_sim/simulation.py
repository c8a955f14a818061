"""Gateways and engines in simulated time: requests come in, and how long each waits comes out.

Our gateways decide by routing/placement itself. Each has its own view of the replicas; what one
does, the others are told some milliseconds later, as over Redis. While Redis is away nothing is
told: each knows its own requests alone and keeps adapters to the first of their rendezvous order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Protocol, TypeAlias

from eval.bench.lora_sim.engine import Engine, Job, Speed
from eval.bench.lora_sim.rules import Rule
from eval.bench.lora_sim.workloads import BLOCK, Request
from routing.placement import mirror
from routing.placement.choice import placed
from routing.placement.line import Drain, Line, Ticket
from routing.placement.pins import pins
from routing.placement.rendezvous import first, kept
from routing.placement.types import Costs, Knobs, Placement, Priority, Replica, Wanted

Happened: TypeAlias = Callable[[Replica, float], None]
"""Something of routing/placement/mirror.py."""
LOOK = 0.25  # seconds between two looks at who has waited too long


@dataclass(frozen=True, slots=True)
class Outage:
    """The shared view is lost for so long."""

    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class World:
    """What is there to be asked, and how gateways see it."""

    replicas: int = 4
    slots: int = 8
    cpu_slots: int = 32
    speed: Speed = field(default_factory=Speed)
    knobs: Knobs = field(default_factory=Knobs)
    costs: Costs = field(default_factory=Costs)  # that ours reckons with
    gateways: int = 1
    told_within: tuple[float, float] = (0.0, 0.0)  # seconds; each message takes its own
    outage: Outage | None = None
    kept_to: int = 0  # replicas of an adapter while nothing is told; 0 is as we do
    priorities: Mapping[str, Priority] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request, and when its first token came."""

    request: Request
    waited: float  # seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    answered: Sequence[Answered]
    from_disk: int  # loads
    from_memory: int  # into a slot, those from disk included


class Clock:
    """Calls in the order of simulated time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._calls: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0

    def at(self, time: float, call: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._calls, (time, self._number, call))

    def run(self, until: float) -> None:
        while self._calls and self._calls[0][0] <= until:
            self.now, _, call = heapq.heappop(self._calls)
            call(self.now)


class Gateway(Protocol):
    """What takes requests."""

    def ask(self, request: Request, now: float) -> None: ...


@dataclass(slots=True)
class Stage:
    """What all gateways of a run stand on."""

    world: World
    clock: Clock
    random: Random
    names: tuple[str, ...]
    engines: dict[str, Engine]
    answered: list[Answered] = field(default_factory=list)

    def replicas(self) -> dict[str, Replica]:
        """Mirrors of engines that nothing has happened to."""
        world = self.world
        return {
            name: Replica(
                name,
                world.slots,
                world.cpu_slots,
                seats=world.speed.seats,
                costs=replace(world.costs),
            )
            for name in self.names
        }

    def note(self, request: Request, now: float) -> None:
        self.answered.append(Answered(request, now - request.at))


def simulated(
    requests: Sequence[Request], world: World, rule: Rule | None = None, seed: int = 0
) -> Outcome:
    """All of them, by one gateway with this rule, or by ours."""
    clock = Clock()
    names = tuple(f"replica-{number}" for number in range(world.replicas))
    engines = {name: Engine(clock, world.speed, world.slots, world.cpu_slots) for name in names}
    stage = Stage(world, clock, Random(seed), names, engines)
    gateways: Sequence[Gateway] = [Sending(stage, rule)] if rule else joined(stage)
    for place, request in enumerate(requests):
        gateway = gateways[place % len(gateways)]
        clock.at(request.at, partial(gateway.ask, request))
    clock.run(requests[-1].at * 3 if requests else 0.0)
    answered = {id(each.request) for each in stage.answered}
    for request in requests:
        if id(request) not in answered:  # not even by now: as if it were answered at last
            stage.note(request, clock.now)
    return Outcome(
        stage.answered,
        sum(engine.from_disk for engine in engines.values()),
        sum(engine.from_memory for engine in engines.values()),
    )


class Sending:
    """A gateway that goes by a rule."""

    def __init__(self, stage: Stage, rule: Rule) -> None:
        self._stage = stage
        self._rule = rule
        self._replicas = stage.replicas()

    def ask(self, request: Request, now: float) -> None:
        replicas = tuple(self._replicas.values())
        replica = self._rule(request.adapter, replicas, self._stage.random)
        mirror.entered(replica, request.adapter, request.prompt, now)

        def began(now: float) -> None:
            mirror.answering(replica, request.adapter, request.prompt)
            self._stage.note(request, now)

        def ended(now: float) -> None:
            mirror.left(replica, request.adapter, 0, now)

        job = Job(request.adapter, request.prompt, request.output, request.blocks, began, ended)
        self._stage.engines[replica.name].submit(job, now)


def joined(stage: Stage) -> list[Placing]:
    """Our gateways, each of which tells the others."""
    gateways = [Placing(stage) for _ in range(stage.world.gateways)]
    for gateway in gateways:
        gateway.others = [other for other in gateways if other is not gateway]
    stage.clock.at(0.0, gateways[0].preload)
    if outage := stage.world.outage:
        for gateway in gateways:
            stage.clock.at(outage.begins, gateway.alone)
        stage.clock.at(outage.ends, lambda _: _together(gateways))
    return gateways


class Placing:
    """A gateway of ours."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._world = stage.world
        self._view = stage.replicas()
        self._line = Line(stage.world.knobs, stage.world.priorities)
        self._waiting: dict[Ticket, Request] = {}
        self._own: dict[str, list[tuple[str, int]]] = {name: [] for name in stage.names}
        self._prefixes: dict[tuple[str, str], set[int]] = {}
        self._alone = False
        self._told_until = 0.0
        self.others: list[Placing] = []
        critical = [name for name, each in stage.world.priorities.items() if each == "critical"]
        pinned = pins(critical, dict.fromkeys(stage.names, stage.world.slots)).kept
        for replica in self._view.values():
            mirror.pinned(replica, pinned[replica.name])
        stage.clock.at(LOOK, self._look)

    def ask(self, request: Request, now: float) -> None:
        wanted = self._wanted(request)
        replicas = self._usable(request.adapter)
        knobs, priorities = self._world.knobs, self._world.priorities
        placement = placed(wanted, replicas, now, knobs, priorities)
        assert placement
        if self._line.passes(placement, request.adapter, self._view[placement.replica]):
            self._send(request, placement, now)
            return
        among = frozenset(replica.name for replica in replicas) if self._alone else None
        self._waiting[self._line.join(wanted, now, among)] = request
        self._admit(now)

    def preload(self, now: float) -> None:
        """Critical adapters are there before anybody asks."""
        for replica in self._view.values():
            for adapter in sorted(replica.pinned):
                self._submit(replica.name, Request(now, adapter, 1, 1), now, counted=False)

    def alone(self, now: float) -> None:
        """Nothing is heard of the others any more."""
        self._alone = True
        self._count([self])

    def together(self, gateways: Sequence[Placing]) -> None:
        """All tell all that they have under way."""
        self._alone = False
        self._count(gateways)

    def _count(self, gateways: Sequence[Placing]) -> None:
        for name, replica in self._view.items():
            replica.in_flight, replica.unread, replica.under_way = 0, 0, {}
            for gateway in gateways:
                for adapter, unread in gateway._own[name]:
                    mirror.entered(replica, adapter, unread, self._stage.clock.now)
            replica.loading.clear()

    def _usable(self, adapter: str) -> Sequence[Replica]:
        replicas = list(self._view.values())
        if not self._alone:
            return replicas
        if count := self._world.kept_to:
            return first(adapter, replicas, count)
        return kept(adapter, replicas)

    def _wanted(self, request: Request) -> Wanted:
        priority = self._world.priorities.get(request.adapter, "medium")
        cached = {}
        if request.blocks:
            for name in self._view:
                known = self._prefixes.get((name, request.adapter), set())
                hit = 0
                while hit < len(request.blocks) and request.blocks[hit] in known:
                    hit += 1
                cached[name] = hit * BLOCK
        return Wanted(request.adapter, priority, request.prompt, cached)

    def _send(self, request: Request, placement: Placement, now: float) -> None:
        name = placement.replica
        for adapter in placement.touch:
            self._submit(name, Request(now, adapter, 1, 1), now, counted=False)
        self._submit(name, request, now, counted=True)
        if request.blocks:
            self._remember(name, request)
            self._pass_on(lambda other, _: other._remember(name, request), now)

    def _remember(self, name: str, request: Request) -> None:
        """A replica reads its prompt."""
        self._prefixes.setdefault((name, request.adapter), set()).update(request.blocks)

    def _submit(self, name: str, request: Request, now: float, counted: bool) -> None:
        adapter, prompt = request.adapter, request.prompt
        entry = (adapter, prompt)
        self._own[name].append(entry)
        self._tell(name, lambda replica, at: mirror.entered(replica, adapter, prompt, at), now)
        told_within = self._world.told_within[1]
        mirror.assumed(self._view[name], len(self.others), prompt, now, told_within)

        def began(now: float) -> None:
            if counted:
                self._stage.note(request, now)
            self._own[name].remove(entry)
            self._own[name].append((adapter, 0))
            self._tell(name, lambda replica, _: mirror.answering(replica, adapter, prompt), now)

        def ended(now: float) -> None:
            self._own[name].remove((adapter, 0))
            self._tell(name, lambda replica, at: mirror.left(replica, adapter, 0, at), now)
            self._admit(now)

        job = Job(adapter, prompt, request.output, request.blocks, began, ended)
        self._stage.engines[name].submit(job, now)

    def _tell(self, name: str, happened: Happened, now: float) -> None:
        """Here at once, elsewhere when the message is there: one after another, as they were
        sent, and not at all where an outage comes between."""
        happened(self._view[name], now)
        self._pass_on(lambda other, at: other.hear(name, happened, at), now)

    def _pass_on(self, heard: Callable[[Placing, float], None], now: float) -> None:
        if self._alone:
            return
        outage = self._world.outage
        arrives = now + self._stage.random.uniform(*self._world.told_within)
        arrives = self._told_until = max(arrives, self._told_until)
        if outage and now < outage.begins <= arrives:
            return
        for other in self.others:
            self._stage.clock.at(arrives, partial(heard, other))

    def hear(self, name: str, happened: Happened, now: float) -> None:
        happened(self._view[name], now)
        self._admit(now)

    def _admit(self, now: float) -> None:
        while len(self._line):
            admission = self._line.next(list(self._view.values()), now)
            if admission is None:
                return
            self._send(self._waiting.pop(admission.ticket), admission.placement, now)

    def _look(self, now: float) -> None:
        while drain := self._line.drain(list(self._view.values()), now):
            self._give(drain, now)
        self._admit(now)
        self._stage.clock.at(now + LOOK, self._look)

    def _give(self, drain: Drain, now: float) -> None:
        self._tell(drain.replica, lambda replica, _: mirror.promised(replica, drain.promise), now)


def _together(gateways: Sequence[Placing]) -> None:
    for gateway in gateways:
        gateway.together(gateways)
