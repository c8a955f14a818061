"""How long a grounded answer of the built-in model takes, stage by stage, in one process.

Every question goes through the whole pipeline, without the HTTP door; the stages are those of its
own trace. Asked again, the same questions are exact hits, which embed nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.datasets import Dataset, Question, read
from eval.indexed import filled
from gateway.build import build
from gateway.config import Config
from gateway.pipeline import Gateway
from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask

NANOSECONDS = 1e6  # in a millisecond


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the pipeline, in milliseconds."""

    name: str
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    passages: int
    questions: int
    whole: Stage
    stages: Sequence[Stage]
    hit: Stage
    encodes: float  # a fresh request
    encodes_on_hit: float


def measure(folder: Path, limit: int, progress: Callable[[int], None]) -> Report:
    """Ingest a BEIR folder into a gateway of its own and ask its first questions, twice."""
    dataset = read(folder, limit)
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as data:
        return asyncio.run(_measured(dataset, Config(data=Path(data)), progress))


async def _measured(dataset: Dataset, config: Config, progress: Callable[[int], None]) -> Report:
    async with build(config) as gateway:
        index = await gateway.library.opened("default")
        assert index is not None  # it was just made
        passages = await filled(
            dataset.documents, index, gateway.encoder, config.retrieval, progress
        )
        fresh = [await _asked(gateway, question) for question in dataset.questions]
        again = [await _asked(gateway, question) for question in dataset.questions]
    stages: defaultdict[str, list[float]] = defaultdict(list)
    for seen in fresh:
        for name, ms in seen.stages.items():
            stages[name].append(ms)
    return Report(
        dataset=dataset.name,
        passages=len(passages),
        questions=len(dataset.questions),
        whole=_stage("whole", [seen.ms for seen in fresh]),
        stages=[_stage(name, ms) for name, ms in stages.items()],
        hit=_stage("exact hit", [seen.ms for seen in again]),
        encodes=statistics.mean("embed" in seen.stages for seen in fresh),
        encodes_on_hit=statistics.mean("embed" in seen.stages for seen in again),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    ms: float
    stages: Mapping[str, float]


async def _asked(gateway: Gateway, question: Question) -> _Seen:
    message = {"role": "user", "content": question.text}
    ask = Ask("auto", (message,), question.text)
    trace, started = Trace(), time.perf_counter()
    answer = await gateway.answer(None, ask, trace)
    await collect(answer.events)
    ms = (time.perf_counter() - started) * 1000
    return _Seen(ms, {span.name: (span.end - span.start) / NANOSECONDS for span in trace.spans})


def _stage(name: str, ms: Sequence[float]) -> Stage:
    cuts = statistics.quantiles(ms, n=20) if len(ms) > 1 else [*ms] * 19
    return Stage(name, statistics.median(ms), cuts[18])


def table(report: Report) -> str:
    """The report for people."""
    rows = [report.whole, *report.stages, report.hit]
    return "\n".join(
        [
            f"{report.dataset}: {report.questions} questions over {report.passages} passages; ms",
            f"{'stage':<18}{'p50':>9}{'p95':>9}",
            *(f"{row.name:<18}{row.p50:>9.2f}{row.p95:>9.2f}" for row in rows),
            f"Encodes a request: {report.encodes:g} fresh, {report.encodes_on_hit:g} on a hit.",
        ]
    )
