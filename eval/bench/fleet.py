"""What a fleet adds to a call: processor time beside the plain provider for vLLM, and what it takes
to look an adapter up and to give it a place.

One simulated upstream in a process of its own stands for all replicas; processor time of this
process is counted, since it hardly depends on what else the machine does. Adapters are drawn anew
for each call and are more than the slots, so that nearly each placement evicts one.
"""

from __future__ import annotations

import asyncio
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from context.types import Prompt
from eval.bench.overhead import QUESTION
from eval.bench.processes import cores, on_core, served
from gateway.fleet.config import LoraConfig
from gateway.fleet.fleets import Fleets
from gateway.fleet.provider import Fleet
from gateway.fleet.types import Served
from gateway.providers.base import Call, Provider
from gateway.providers.config import ModelConfig, VllmProvider
from gateway.providers.vllm import Vllm
from gateway.providers.wire.client import Client
from routing.config import BreakerConfig
from routing.placement.types import Wanted

REPLICAS = (1, 4, 8)
LORA = LoraConfig(slots=8, cpu_slots=64)
BASE = ModelConfig(name="base")
PROMPT = Prompt(({"role": "user", "content": QUESTION},))


class Register:
    """Adapters that every replica has been started with, so that none is loaded."""

    def __init__(self, count: int) -> None:
        self.names = [f"team:adapter-{number}@1" for number in range(count)]
        self._served = {name: Served(name, None) for name in self.names}

    def served(self, provider: str, name: str) -> Served | None:
        return self._served.get(name)

    def removed(self, provider: str, name: str) -> bool:
        return False

    def pinned(self, provider: str) -> Sequence[Served]:
        return ()


@dataclass(frozen=True, slots=True)
class Row:
    """Microseconds of processor time: medians over rounds."""

    subject: str
    call: float  # a whole one, with HTTP
    placing: float | None  # the look-up and the placement alone


@dataclass(frozen=True, slots=True)
class Report:
    adapters: int
    calls: int
    rounds: int
    rows: tuple[Row, ...]
    machine: str


def measure(adapters: int, calls: int, rounds: int) -> Report:
    here, other = cores()
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        command = ["eval.bench.upstream", "--chunks", "20"]
        with served(command, other, Path(folder, "upstream.log")) as upstream, on_core(here):
            rows = asyncio.run(_measured(upstream.port, adapters, calls, rounds))
    return Report(
        adapters, calls, rounds, rows, f"{platform.machine()}, Python {platform.python_version()}"
    )


async def _measured(port: int, adapters: int, calls: int, rounds: int) -> tuple[Row, ...]:
    register, client = Register(adapters), Client()
    plain = Vllm(_config(port, 1, None), client)
    fleets = {count: _fleet(port, count, client, register) for count in REPLICAS}
    subjects: dict[str, Provider] = {"plain provider": plain}
    subjects |= {f"fleet of {count}": fleet for count, fleet in fleets.items()}
    took: dict[str, list[float]] = {name: [] for name in subjects}
    placing: dict[str, list[float]] = {name: [] for name in subjects}
    chance = random.Random(1)
    for turn in range(rounds + 1):  # the first opens connections and is not counted
        names = chance.choices(register.names, k=calls)
        for name, provider in subjects.items():
            one = await _calls(provider, names)
            if turn:
                took[name].append(one)
            if turn and isinstance(provider, Fleet):
                placing[name].append(await _places(provider, names))
    await client.aclose()
    return tuple(
        Row(
            name,
            statistics.median(took[name]),
            statistics.median(placing[name]) if placing[name] else None,
        )
        for name in subjects
    )


async def _calls(provider: Provider, names: Sequence[str]) -> float:
    began = time.process_time()
    for name in names:
        async for _ in await provider.start(Call(name, PROMPT, stream=False)):
            pass
    return (time.process_time() - began) / len(names) * 1e6


async def _places(fleet: Fleet, names: Sequence[str]) -> float:
    began = time.process_time()
    for name in names:
        adapter = fleet.adapters.served(fleet.name, name)
        assert adapter is not None
        wanted = Wanted(adapter.name, adapter.priority, 100)
        (await fleet.places.taken(wanted, fleet.replicas)).over()
    return (time.process_time() - began) / len(names) * 1e6


def _config(port: int, replicas: int, lora: LoraConfig | None) -> VllmProvider:
    urls = tuple(f"http://127.0.0.1:{port}/{number}/v1" for number in range(replicas))
    return VllmProvider(kind="vllm", base_url=urls, models=(BASE,), lora=lora)


def _fleet(port: int, replicas: int, client: Client, register: Register) -> Fleet:
    config, kept = _config(port, replicas, LORA), Fleets().of("gpu")
    return Fleet("gpu", config, client, kept, register, BreakerConfig())


def table(report: Report) -> str:
    plain = report.rows[0].call
    lines = [
        "| | µs a call | beside the plain provider | µs to look up and place |",
        "| --- | --- | --- | --- |",
    ]
    for row in report.rows:
        placing = "" if row.placing is None else f"{row.placing:.0f}"
        lines.append(f"| {row.subject} | {row.call:.0f} | {row.call / plain:.2f} | {placing} |")
    lines.append(
        f"\n{report.adapters:,} adapters drawn evenly, {LORA.slots} slots and {LORA.cpu_slots} in "
        f"memory on each replica; plain calls, one after another; processor time of the caller, "
        f"medians of {report.rounds} rounds of {report.calls} calls ({report.machine})."
    )
    return "\n".join(lines)
