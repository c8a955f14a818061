"""What further wordings of a question do to what is found, without a model that writes them.

The best that one could hope for are other people's questions on the same document, the worst are
questions on anything else. What a real model writes lies between, and is not measured here.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import click

from eval.datasets import BadDataset, Dataset, Part, read
from eval.indexed import indexed
from eval.metrics import Estimate, difference, estimate, ndcg, recall
from eval.references import distinct
from eval.remembered import Memory, Remembered, usual_folder
from eval.suites import options
from gateway.backends import open_encoder
from gateway.commands.common import loaded
from gateway.config import Config
from retrieval.retriever import Retriever
from retrieval.types import Index, Query

_SEED = 13
_TOP = 20
_MOST = 3

Wordings: TypeAlias = Sequence[Sequence[int]]
"""For each question, the numbers of those that stand for wordings of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """The questions with one kind of wordings. Latency is of the search alone."""

    wordings: str
    recall_5: Estimate
    ndcg_10: Estimate
    ndcg_10_gain: Estimate  # question by question, over none
    p50_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    part: Part
    sha256: str
    encoder: str
    rows: Sequence[Row]


@click.command("wordings")
@options.dataset
@options.part
@options.limit
@options.config
@options.cache
@options.as_json
def command(
    data: Path,
    part: Part,
    limit: int | None,
    config_file: Path | None,
    cache: Path | None,
    json_file: Path | None,
) -> None:
    """How far bad wordings can lead a search astray, and how much good ones can help."""
    config = loaded(config_file) if config_file else Config()
    try:
        dataset = read(data, limit, part)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    with closing(Memory(cache or usual_folder())) as memory:
        report = asyncio.run(_measured(dataset, config, cache or usual_folder(), memory))
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


async def _measured(dataset: Dataset, config: Config, folder: Path, memory: Memory) -> Report:
    own = config.retrieval.model_copy(update={"top_k": _TOP})
    async with open_encoder(config.model_copy(update={"data": folder})) as opened:
        encoder = Remembered(opened, memory)
        async with indexed(dataset.documents, encoder, own) as ready:
            queries = [await encoder.query(question.text) for question in dataset.questions]
            asking = _Asking(dataset, queries, Retriever(own), ready.index)
            rows = [await asking.row(name, which) for name, which in _kinds(dataset).items()]
    return Report(dataset.name, dataset.part, dataset.sha256, encoder.name, rows)


def _kinds(dataset: Dataset) -> dict[str, Wordings]:
    chosen, places = random.Random(_SEED), range(len(dataset.questions))
    on: dict[str, list[int]] = {}
    for place, question in enumerate(dataset.questions):
        for document in question.grades:
            on.setdefault(document, []).append(place)
    related = [
        [other for document in question.grades for other in on[document] if other != place]
        for place, question in enumerate(dataset.questions)
    ]
    return {
        "none": [[] for _ in places],
        "one on something else": [[chosen.choice(places)] for _ in places],
        f"{_MOST} on something else": [chosen.choices(places, k=_MOST) for _ in places],
        f"up to {_MOST} on the same": [each[:_MOST] for each in related],
    }


class _Asking:
    """Asks every question with each kind of wordings; the first kind is what others are held to."""

    def __init__(
        self, dataset: Dataset, queries: Sequence[Query], retriever: Retriever, index: Index
    ) -> None:
        self._dataset, self._queries = dataset, queries
        self._retriever, self._index = retriever, index
        self._plain: list[float] = []

    async def row(self, name: str, wordings: Wordings) -> Row:
        recalls, gains, took = list[float](), list[float](), list[float]()
        for place, question in enumerate(self._dataset.questions):
            others = [self._queries[other] for other in wordings[place]]
            started = time.perf_counter()
            hits = await self._retriever.search(self._index, self._queries[place], wordings=others)
            took.append((time.perf_counter() - started) * 1000)
            ranked = distinct(hit.passage.document for hit in hits)
            recalls.append(recall(ranked, question.grades, 5))
            gains.append(ndcg(ranked, question.grades, 10))
        self._plain = self._plain or gains
        gain = difference(gains, self._plain)
        return Row(name, estimate(recalls), estimate(gains), gain, statistics.median(took))


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.dataset}, {report.part} part (sha256 {report.sha256[:16]}); {report.encoder}; "
        "mean [95 % interval]",
        "",
        f"{'wordings':24}{'n':>6}{'recall@5':>23}{'nDCG@10':>23}{'nDCG@10 gained':>26}"
        f"{'p50 ms':>8}",
    ]
    for row in report.rows:
        gain = f"{row.ndcg_10_gain:+}"
        lines.append(
            f"{row.wordings:24}{row.recall_5.n:6}{row.recall_5!s:>23}{row.ndcg_10!s:>23}"
            f"{gain:>26}{row.p50_ms:8.2f}"
        )
    return "\n".join(lines)
