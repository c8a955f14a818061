"""Our placement beside others' rules, several gateways beside one, and what an outage costs.

The knobs in routing/placement were chosen on day 1 of ServeGen (48 clients) and on power laws with
α 0.3 and 0.1, seeds 1, 2, 11 and 12. What is reported has other seeds, ServeGen's day 5, and
workloads that nothing was chosen on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import TypeVar

import orjson

from eval.bench.lora_sim.rules import COMPARED, OTHERS, Rule, least_loaded
from eval.bench.lora_sim.simulation import Outage, Outcome, World, simulated
from eval.bench.lora_sim.workloads import (
    Workload,
    azure,
    azure_lengths,
    mooncake,
    power_law,
    servegen,
)

WARM = 60.0  # seconds at the beginning that do not count
FIRST_SEED = 31
DELAY = (0.01, 0.02)  # seconds that a message takes between gateways
DAY = 5
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Requests, and who answers them."""

    name: str
    workload: Workload
    world: World


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds until the first token, of all seeds; loads from disk per 1,000 requests."""

    p50: float
    p95: float
    p99: float
    loads: float
    by_seed: tuple[float, ...] = ()  # p95

    @property
    def text(self) -> str:
        return f"{self.p95:.2f} ({self.loads:.0f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario: figures by who decides."""

    scenario: str
    requests: int
    figures: Mapping[str, Figure]

    @property
    def best_of_four(self) -> float:
        return min(self.figures[name].p95 for name in COMPARED)


@dataclass(frozen=True, slots=True)
class Stretch:
    """An outage: p95 before it, during it, and in the minute after it."""

    scenario: str
    before: float
    during: float
    after: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that was asked for."""

    seconds: float
    seeds: int
    policies: Sequence[Row] = ()
    gateways: Sequence[Row] = ()
    outages: Sequence[Stretch] = ()
    kept: Sequence[Row] = ()

    def json(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)


def scenarios(traces: Path, seconds: float) -> list[Scenario]:
    """What is reported. `skewed` in a name marks the one that is asked for the half."""
    chat = traces / "AzureLLMInferenceTrace_conv.csv"
    code = traces / "AzureLLMInferenceTrace_code.csv"
    large = traces / "servegen" / "language" / "m-large"
    lengths = azure_lengths(chat)

    def clients(count: int, rate: float) -> Workload:
        return servegen(large, lengths, count, rate, seconds, DAY)

    def law(adapters: int, alpha: float, rate: float, cv: float = 1.0) -> Workload:
        return power_law(lengths, adapters, alpha, rate, seconds, cv)

    return [
        Scenario("skewed: power law 0.3, 128 adapters", law(128, 0.3, 10), World(cpu_slots=32)),
        Scenario("power law 0.1, bursts, 128", law(128, 0.1, 12, 4), World(cpu_slots=64)),
        Scenario("ServeGen, 48, 16 in memory", clients(48, 14), World(cpu_slots=16)),
        Scenario("ServeGen, 48, 64 in memory", clients(48, 14), World(cpu_slots=64)),
        Scenario("ServeGen, 96, 8 replicas", clients(96, 28), World(replicas=8, cpu_slots=64)),
        Scenario("uniform, 64", law(64, 1, 10), World(cpu_slots=64)),
        Scenario("Azure chat, twice as fast", azure(chat, 64, 0.3, 2, seconds), World()),
        Scenario("Azure code, twice as fast", azure(code, 64, 0.3, 2, seconds), World()),
        Scenario(
            "Mooncake conversations, 8 replicas",
            mooncake(traces / "conversation_trace.jsonl", 64, 0.3, seconds),
            World(replicas=8),
        ),
    ]


def compared(scenario: Scenario, seeds: int) -> Row:
    """Ours, the four, two more, and what it would be if adapters cost nothing."""
    world = scenario.world
    free = replace(
        world,
        slots=1000,
        cpu_slots=1000,
        speed=replace(world.speed, disk=0.0, memory=0.0),
    )
    by_name: dict[str, tuple[World, Rule | None]] = {
        "ours": (world, None),
        **{name: (world, rule) for name, rule in {**COMPARED, **OTHERS}.items()},
        "no loads": (free, least_loaded),
    }
    return _row(scenario, by_name, seeds)


def shared(scenario: Scenario, seeds: int) -> Row:
    """Three gateways that tell each other, and three that do not, beside one."""
    world = scenario.world
    three = replace(world, gateways=3, told_within=DELAY)
    never = replace(three, outage=Outage(0.0, 1e9), kept_to=world.replicas)  # and any may serve it
    worlds: dict[str, tuple[World, Rule | None]] = {
        "one": (world, None),
        "three": (three, None),
        "three, private": (never, None),
    }
    return _row(scenario, worlds, seeds)


def cut(scenario: Scenario, seconds: float, seeds: int) -> Stretch:
    """Ten seconds without Redis, in the middle."""
    outage = Outage(seconds / 2, seconds / 2 + 10)
    world = replace(scenario.world, gateways=3, told_within=DELAY, outage=outage)
    outcomes = [outcome for outcome, _ in _outcomes(scenario.workload, world, None, seeds)]

    def p95(begin: float, end: float) -> float:
        waits = [
            each.waited
            for outcome in outcomes
            for each in outcome.answered
            if begin <= each.request.at < end
        ]
        return _quantile(waits, 0.95)

    return Stretch(
        scenario.name,
        before=p95(WARM, outage.begins),
        during=p95(outage.begins, outage.ends),
        after=p95(outage.ends, outage.ends + 60),
    )


def kept(scenario: Scenario, seeds: int) -> Row:
    """To how many replicas an adapter is kept while gateways cannot talk: three gateways that
    never do, beside one that sees everything."""
    never = replace(scenario.world, gateways=3, outage=Outage(0.0, 1e9))
    counts = [count for count in (1, 2, 4, 8) if count <= never.replicas]
    worlds: dict[str, tuple[World, Rule | None]] = {
        "one gateway": (scenario.world, None),
        "by its part": (never, None),
        **{f"{count}": (replace(never, kept_to=count), None) for count in counts},
    }
    return _row(scenario, worlds, seeds)


def _row(scenario: Scenario, worlds: Mapping[str, tuple[World, Rule | None]], seeds: int) -> Row:
    figures, count = {}, 0
    for name, (world, rule) in worlds.items():
        pairs = list(_outcomes(scenario.workload, world, rule, seeds))
        count = sum(requests for _, requests in pairs)
        figures[name] = _figure([outcome for outcome, _ in pairs], count)
    return Row(scenario.name, count, figures)


def _outcomes(
    workload: Workload, world: World, rule: Rule | None, seeds: int
) -> Iterator[tuple[Outcome, int]]:
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        requests = workload(Random(seed))
        yield simulated(requests, world, rule, seed), len(requests)


def _figure(outcomes: Sequence[Outcome], requests: int) -> Figure:
    waits = [
        [each.waited for each in outcome.answered if each.request.at >= WARM]
        for outcome in outcomes
    ]
    every = [waited for each in waits for waited in each]
    loads = sum(outcome.from_disk for outcome in outcomes)
    return Figure(
        _quantile(every, 0.5),
        _quantile(every, 0.95),
        _quantile(every, 0.99),
        1000 * loads / max(requests, 1),
        tuple(_quantile(each, 0.95) for each in waits),
    )


def _quantile(values: Sequence[float], part: float) -> float:
    if not values:
        return float("nan")
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def table(report: Report) -> str:
    """For people."""
    lines = [
        f"{report.seconds:g} s of each workload, the first {WARM:g} left out, {report.seeds} "
        "seeds; p95 of the seconds until the first token (loads from disk per 1,000 requests)"
    ]
    lines += _grid(report.policies)
    for row in report.policies:
        ours = row.figures["ours"].p95
        lines.append(f"{row.scenario:38}{ours / row.best_of_four:6.2f} of the best of the four")
    lines += _grid(report.gateways)
    for row in report.gateways:
        ratio = row.figures["three"].p95 / row.figures["one"].p95
        lines.append(f"{row.scenario:38}{ratio:6.2f} of one gateway's")
    for each in report.outages:
        lines.append(
            f"{each.scenario:38}10 s alone: p95 {each.before:.2f} before, "
            f"{each.during:.2f} during, {each.after:.2f} in the minute after"
        )
    for row in report.kept:
        told = ", ".join(f"{name}: {figure.text}" for name, figure in row.figures.items())
        lines.append(f"{row.scenario:38}never told, kept to {told}")
    return "\n".join(lines)


def _grid(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0].figures)
    lines = ["", " " * 38 + "".join(f"{name:>18}" for name in names)]
    for row in rows:
        cells = "".join(f"{row.figures[name].text:>18}" for name in names)
        lines.append(f"{row.scenario:38}{cells}")
    return [*lines, ""]


def measure(
    traces: Path, parts: Sequence[str], seconds: float, seeds: int, told: Callable[[str], None]
) -> Report:
    """These parts of it; takes minutes."""
    chosen = scenarios(traces, seconds)

    def each(part: str, of: Iterator[Result]) -> tuple[Result, ...]:
        done = []
        for result in of if part in parts else ():
            done.append(result)
            told(f"{part}: {len(done)} done")
        return tuple(done)

    return Report(
        seconds,
        seeds,
        each("policies", (compared(scenario, seeds) for scenario in chosen)),
        each("gateways", (shared(scenario, seeds) for scenario in chosen)),
        each("outage", (cut(scenario, seconds, seeds) for scenario in chosen)),
        each("kept", (kept(scenario, seeds) for scenario in chosen)),
    )
