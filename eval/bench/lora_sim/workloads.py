"""Requests for adapters, as they come: from public traces, and made by the laws that papers use.

- ServeGen (Alibaba, Apache-2.0): clients of a production service, each with its own rate and
  burstiness for every ten minutes. A client is an adapter; lengths are drawn from Azure's.
- Azure LLM inference 2023 (CC BY 4.0): arrivals and lengths of a coding and of a chat service, in
  their own order. It names no models: adapters are drawn by a power law.
- Mooncake (FAST'25, Apache-2.0): conversations with what their prompts share. Each keeps to one
  adapter, drawn by a power law.
- S-LoRA's generator: adapter ⌊n·u^(1/α)⌋ for u uniform, gamma arrivals. The smaller α, the more
  skewed; 1 is uniform.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import TypeAlias

WINDOW = 600  # seconds for which ServeGen gives one rate
BLOCK = 512  # tokens that a hash of Mooncake's stands for


@dataclass(frozen=True, slots=True)
class Request:
    """One, before anybody has decided anything."""

    at: float
    adapter: str
    prompt: int  # tokens
    output: int  # tokens
    blocks: tuple[int, ...] = ()  # hashes of its prompt's blocks


Lengths: TypeAlias = Sequence[tuple[int, int]]
Workload: TypeAlias = Callable[[Random], list[Request]]
"""The requests of one seed, in order."""


class NoTraces(Exception):
    """A folder does not have the traces; the message names what is missing."""


def power_law(
    lengths: Lengths, adapters: int, alpha: float, rate: float, seconds: float, cv: float = 1.0
) -> Workload:
    """S-LoRA's generator."""

    def made(random: Random) -> list[Request]:
        return [
            Request(at, _drawn(random, adapters, alpha), *random.choice(lengths))
            for at in _arrivals(random, rate, cv, seconds)
        ]

    return made


def servegen(
    folder: Path, lengths: Lengths, clients: int, rate: float, seconds: float, day: int
) -> Workload:
    """The busiest clients of a random window of that day, all together at this rate."""

    def made(random: Random) -> list[Request]:
        start = (day * 144 + random.randrange(144)) * WINDOW
        busy = sorted(_clients(folder, start), reverse=True)[:clients]
        scale = rate / sum(its_rate for its_rate, _, _ in busy)
        requests = [
            Request(at, name, *random.choice(lengths))
            for its_rate, cv, name in busy
            for at in _arrivals(random, its_rate * scale, cv, seconds)
        ]
        return sorted(requests, key=lambda request: request.at)

    return made


def azure(file: Path, adapters: int, alpha: float, speed: float, seconds: float) -> Workload:
    """A stretch of the trace as it was, only faster."""

    def made(random: Random) -> list[Request]:
        rows = _azure(file)
        begin = random.random() * (rows[-1][0] - seconds * speed)
        return [
            Request((at - begin) / speed, _drawn(random, adapters, alpha), prompt, output)
            for at, prompt, output in rows
            if begin <= at < begin + seconds * speed
        ]

    return made


def mooncake(file: Path, adapters: int, alpha: float, seconds: float) -> Workload:
    """A stretch of the trace; what begins alike is one conversation."""

    def made(random: Random) -> list[Request]:
        rows = _mooncake(file)
        begin = random.random() * (rows[-1].at - seconds)
        owners: dict[tuple[int, ...], str] = {}
        requests = []
        for row in rows:
            if begin <= row.at < begin + seconds:
                root = row.blocks[:2]
                adapter = owners.setdefault(root, _drawn(random, adapters, alpha))
                requests.append(
                    Request(row.at - begin, adapter, row.prompt, row.output, row.blocks)
                )
        return requests

    return made


@cache
def azure_lengths(file: Path) -> Lengths:
    return [(prompt, output) for _, prompt, output in _azure(file)]


def _drawn(random: Random, adapters: int, alpha: float) -> str:
    return f"adapter-{int(adapters * random.random() ** (1 / alpha))}@1"


def _arrivals(random: Random, rate: float, cv: float, seconds: float) -> Iterator[float]:
    """A gamma process; it begins at a random moment of a gap, not always with a burst."""
    shape = 1 / cv**2
    scale = 1 / (rate * shape)
    at = -random.random() * random.gammavariate(shape + 1, scale)
    while (at := at + random.gammavariate(shape, scale)) < seconds:
        if at >= 0:
            yield at


@cache
def _azure(file: Path) -> list[tuple[float, int, int]]:
    with _opened(file).open(newline="") as rows:
        read = [
            (datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(), row)
            for row in csv.DictReader(rows)
        ]
    start = read[0][0]
    return [
        (at - start, int(row["ContextTokens"]), max(int(row["GeneratedTokens"]), 1))
        for at, row in read
    ]


@cache
def _mooncake(file: Path) -> list[Request]:
    rows = map(json.loads, _opened(file).read_text().splitlines())
    return [
        Request(
            row["timestamp"] / 1000,
            "",
            row["input_length"],
            max(row["output_length"], 1),
            tuple(row["hash_ids"]),
        )
        for row in rows
    ]


@cache
def _clients(folder: Path, start: int) -> list[tuple[float, float, str]]:
    """Rate, coefficient of variation and name of who asked anything in this window."""
    found = []
    for file in _opened(folder).glob("chunk-*-trace.csv"):
        with file.open(newline="") as rows:
            row = next(islice(csv.reader(rows), start // WINDOW, None), None)
        if row and float(row[1]) > 0:
            found.append((float(row[1]), float(row[2]), f"{file.stem.removesuffix('-trace')}@1"))
    return found


def _opened(path: Path) -> Path:
    if not path.exists():
        raise NoTraces(f"{path} is missing")
    return path
