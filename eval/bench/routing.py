"""How long the router's models take over a question, beside embedding that question.

Wall times depend on the machine and on who else is on it; the ratio to the encoder, on the same
questions in turn with it, hardly does.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM
from retrieval.types import Query
from routing.complexity import Complexity
from routing.tasks import Tasks

QUESTIONS = (
    "How many years of warranty does the pump have?",
    "Write a Python function that merges two sorted lists, and explain why it is linear.",
    "Which of these is true of a stable equilibrium?\nA. A small displacement grows\nB. The "
    "potential has a maximum\nC. A small displacement is undone\nD. There is no force\nAnswer:",
    "Summarise what follows in two sentences.\n" + "The pump was taken apart and cleaned. " * 24,
)


@dataclass(frozen=True, slots=True)
class Report:
    """Milliseconds a question, medians over all, and under which conditions."""

    rounds: int
    encode: float
    complexity: float
    task: float
    machine: str


def measure(rounds: int) -> Report:
    return asyncio.run(_measured(rounds))


async def _measured(rounds: int) -> Report:
    complexity, tasks = Complexity.load(), Tasks.load()
    encoded, judged, told = [], [], []
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        encoder = MiniLM(MiniLMEncoder(threads=1), Path(folder))
        for turn in range(rounds + 2):  # the first two open everything and are not counted
            for question in QUESTIONS:
                started = time.perf_counter()
                query = await encoder.query(question)
                took = time.perf_counter() - started
                judging = _timed(complexity.cheap_will_do, query)
                telling = _timed(tasks.task, query)
                if turn >= 2:
                    encoded.append(took)
                    judged.append(judging)
                    told.append(telling)
        await encoder.aclose()
    return Report(
        rounds=rounds,
        encode=statistics.median(encoded) * 1000,
        complexity=statistics.median(judged) * 1000,
        task=statistics.median(told) * 1000,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


def _timed(decide: Callable[..., object], query: Query) -> float:
    started = time.perf_counter()
    decide(query.text, query.vector)
    return time.perf_counter() - started


def table(report: Report) -> str:
    """For people."""
    rows = (("encode", report.encode), ("complexity", report.complexity), ("task", report.task))
    lines = [f"{len(QUESTIONS)} questions, {report.rounds} rounds; {report.machine}"]
    lines += [f"{name:12}{ms:8.3f} ms{ms / report.encode:8.2f} of the encode" for name, ms in rows]
    return "\n".join(lines)
