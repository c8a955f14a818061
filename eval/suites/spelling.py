"""What looking for misspelt names as they are meant gains, and what it costs questions without."""

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

from eval.datasets import BadDataset, Dataset, Part, Question, read
from eval.indexed import Indexed, indexed
from eval.metrics import Estimate, difference, estimate, ndcg, recall
from eval.misspelling import Misspelt, misspelt
from eval.references import distinct
from eval.remembered import Memory, Remembered, usual_folder
from eval.suites import options
from gateway.backends import open_encoder
from gateway.commands.common import loaded
from gateway.config import Config
from retrieval.config import RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.retriever import Retriever
from retrieval.spelling.vocabulary import Vocabularies
from retrieval.types import Encoder

_SEED = 13
_TOP = 20


@dataclass(frozen=True, slots=True)
class Row:
    """Some questions, searched in one way. Latency is of the search alone."""

    questions: str
    spelling: bool
    recall_5: Estimate
    ndcg_10: Estimate
    recall_5_gain: Estimate  # question by question, over the same without
    ndcg_10_gain: Estimate
    corrected: int  # questions of which a word was looked for otherwise
    as_meant: int  # of these, the misspelt name as it was meant
    p50_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    part: Part
    sha256: str
    passages: int
    words: int
    read_seconds: float
    encoder: str
    seed: int
    rows: Sequence[Row]


@click.command("spelling")
@options.dataset
@options.part
@options.limit
@click.option("--seed", default=_SEED, show_default=True, help="Of the errors.")
@options.config
@options.cache
@options.as_json
def command(
    data: Path,
    part: Part,
    limit: int | None,
    seed: int,
    config_file: Path | None,
    cache: Path | None,
    json_file: Path | None,
) -> None:
    """Recall and nDCG of questions as they are, and of those with a name, misspelt; each with
    `retrieval.spelling` off and on, and the difference, question by question."""
    config = loaded(config_file) if config_file else Config()
    try:
        dataset = read(data, limit, part)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    report = measured(dataset, config, cache or usual_folder(), seed)
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


def measured(dataset: Dataset, config: Config, folder: Path, seed: int = _SEED) -> Report:
    """In a temporary index; `folder` keeps the encoder's graph and what was computed."""
    with closing(Memory(folder)) as memory:
        return asyncio.run(_measured(dataset, config, folder, memory, seed))


async def _measured(
    dataset: Dataset, config: Config, folder: Path, memory: Memory, seed: int
) -> Report:
    async with open_encoder(config.model_copy(update={"data": folder})) as opened:
        encoder = Remembered(opened, memory)
        async with indexed(dataset.documents, encoder, config.retrieval) as ready:
            vocabularies, started = Vocabularies(), time.perf_counter()
            await vocabularies.read(ready.index)
            took = time.perf_counter() - started
            vocabulary = vocabularies.of(ready.index)
            asking = _Asking(ready, encoder, config.retrieval, vocabularies)
            rows = [
                *await asking.rows("as they are", [(q, None) for q in dataset.questions]),
                *await asking.rows("a name misspelt", _erring(dataset, seed)),
            ]
            await vocabularies.aclose()
    words = vocabulary.size if vocabulary else 0
    return Report(
        dataset=dataset.name,
        part=dataset.part,
        sha256=dataset.sha256,
        passages=len(ready.passages),
        words=words,
        read_seconds=took,
        encoder=encoder.name,
        seed=seed,
        rows=rows,
    )


_Asked: TypeAlias = tuple[Question, Misspelt | None]


def _erring(dataset: Dataset, seed: int) -> list[_Asked]:
    chosen = random.Random(seed)
    erring = [(question, misspelt(question.text, chosen)) for question in dataset.questions]
    return [(question, error) for question, error in erring if error]


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of one question."""

    recall_5: float
    ndcg_10: float
    corrected: bool
    as_meant: bool
    ms: float


class _Asking:
    """Asks every question twice: as it is written, and with what is meant beside it."""

    def __init__(
        self,
        ready: Indexed,
        encoder: Encoder,
        config: RetrievalConfig,
        vocabularies: Vocabularies,
    ) -> None:
        self._ready, self._encoder = ready, encoder
        whole = config.model_copy(update={"top_k": _TOP, "spelling": True})
        self._ways = Retriever(whole), Retriever(whole, vocabularies=vocabularies)

    async def rows(self, name: str, asked: Sequence[_Asked]) -> list[Row]:
        plain, corrected = [[await self._found(way, *each) for each in asked] for way in self._ways]
        return [_row(name, False, plain, plain), _row(name, True, corrected, plain)]

    async def _found(self, way: Retriever, question: Question, error: Misspelt | None) -> _Found:
        query = await self._encoder.query(error.text if error else question.text)
        told = Explanation()
        started = time.perf_counter()
        hits = await way.search(self._ready.index, query, explanation=told)
        took = (time.perf_counter() - started) * 1000
        ranked = distinct(hit.passage.document for hit in hits)
        meant = {(one.written, one.meant) for one in told.corrected}
        return _Found(
            recall(ranked, question.grades, 5),
            ndcg(ranked, question.grades, 10),
            bool(meant),
            error is not None and (error.written.lower(), error.meant.lower()) in meant,
            took,
        )


def _row(name: str, spelling: bool, found: Sequence[_Found], plain: Sequence[_Found]) -> Row:
    recalls, gains = [one.recall_5 for one in found], [one.ndcg_10 for one in found]
    return Row(
        name,
        spelling,
        estimate(recalls),
        estimate(gains),
        difference(recalls, [one.recall_5 for one in plain]),
        difference(gains, [one.ndcg_10 for one in plain]),
        corrected=sum(one.corrected for one in found),
        as_meant=sum(one.as_meant for one in found),
        p50_ms=statistics.median(one.ms for one in found),
    )


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.dataset}, {report.part} part: {report.passages} passages, {report.words} words "
        f"read in {report.read_seconds:.1f} s (sha256 {report.sha256[:16]})",
        f"{report.encoder}; errors of seed {report.seed}; mean [95 % interval]",
        "",
        f"{'questions':17}{'n':>6}{'spelling':>10}{'recall@5':>23}{'nDCG@10':>23}"
        f"{'recall@5 gained':>26}{'nDCG@10 gained':>26}{'corrected':>11}{'as meant':>10}"
        f"{'p50 ms':>8}",
    ]
    for row in report.rows:
        gained = f"{row.recall_5_gain:+}", f"{row.ndcg_10_gain:+}"
        lines.append(
            f"{row.questions:17}{row.recall_5.n:6}{'on' if row.spelling else 'off':>10}"
            f"{row.recall_5!s:>23}{row.ndcg_10!s:>23}"
            + "".join(f"{each if row.spelling else '':>26}" for each in gained)
            + f"{row.corrected:11}{row.as_meant:10}{row.p50_ms:8.2f}"
        )
    return "\n".join(lines)
