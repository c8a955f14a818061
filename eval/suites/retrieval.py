"""How well passages are found: the halves, their blend, reranked; beside other people's search."""

from __future__ import annotations

import asyncio
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from eval.datasets import BadDataset, Dataset, Part, read, read_all
from eval.indexed import indexed
from eval.metrics import Estimate, difference, estimate, ndcg, recall, reciprocal_rank
from eval.references import Rankings, lexical, whole_documents
from eval.remembered import Memory, Remembered, usual_folder
from eval.suites import options
from eval.ways import DEFAULT, DENSE, SPARSE, ours
from gateway.backends import open_encoder, open_reranker
from gateway.commands.common import loaded
from gateway.config import Config


@dataclass(frozen=True, slots=True)
class Row:
    """One way of finding, over all questions. Latency is of the search alone, in milliseconds."""

    name: str
    recall_5: Estimate
    recall_20: Estimate
    ndcg_10: Estimate
    mrr_10: Estimate
    beside_baseline: Estimate  # of nDCG@10, question by question
    p50_ms: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    part: Part
    sha256: str
    documents: int
    passages: int
    questions: int
    encoder: str
    fusion: str
    candidates: int
    machine: str
    baseline: str
    rows: Sequence[Row]
    warnings: Sequence[str]


@click.command("retrieval")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="One set's folder.")
@click.option(
    "--all", "root", type=click.Path(path_type=Path, exists=True), help="The folder of all sets."
)
@click.option(
    "--part",
    type=click.Choice(["test", "validation", "all"]),
    help="Which questions, by the set's own rule; `test` with --all, else `all`.",
)
@options.limit
@click.option("--baseline", default=DEFAULT, show_default=True, help="The row to compare with.")
@options.config
@options.cache
@options.as_json
def command(
    data: Path | None,
    root: Path | None,
    part: Part | None,
    limit: int | None,
    baseline: str,
    config_file: Path | None,
    cache: Path | None,
    json_file: Path | None,
) -> None:
    """Recall, nDCG and MRR of each half, their blend and references, with 95 % intervals.

    The last column is the difference to the baseline's nDCG@10, of the same questions; an interval
    that holds no zero is a difference."""
    if (data is None) == (root is None):
        raise click.UsageError("Name one set with --data, or the folder of all with --all.")
    folder = cache or usual_folder()
    config = loaded(config_file) if config_file else Config()
    reports = []
    try:
        sets = read_all(root, limit, part or "test") if root else [read_one(data, limit, part)]
        for report in measured(sets, config, folder, baseline):
            click.echo(table(report) + "\n")
            reports.append(report)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n")


def read_one(folder: Path | None, limit: int | None, part: Part | None) -> Dataset:
    assert folder is not None  # The command has looked.
    return read(folder, limit, part or "all")


def measured(
    sets: Iterable[Dataset], config: Config, folder: Path, baseline: str = DEFAULT
) -> Iterable[Report]:
    """Each set in a temporary index; `folder` keeps the encoder's graph and what was computed."""
    with closing(Memory(folder)) as memory:
        for dataset in sets:
            yield asyncio.run(_measured(dataset, config, folder, memory, baseline))


async def _measured(
    dataset: Dataset, config: Config, folder: Path, memory: Memory, baseline: str
) -> Report:
    placed, own = config.model_copy(update={"data": folder}), config.retrieval
    async with open_encoder(placed) as opened, open_reranker(placed) as reranker:
        encoder = Remembered(opened, memory, own.token_vectors)
        told = _told(f"{dataset.name}: documents", len(dataset.documents))
        async with indexed(dataset.documents, encoder, own, told) as ready:
            told = _told(f"{dataset.name}: questions", len(dataset.questions))
            rankings = await ours(dataset, ready, encoder, own, reranker, told)
        rankings += lexical(dataset, ready.passages, memory)
        rankings.append(await whole_documents(dataset, encoder))
    rows = _rows(dataset, rankings, baseline)
    return Report(
        dataset=dataset.name,
        part=dataset.part,
        sha256=dataset.sha256,
        documents=len(dataset.documents),
        passages=len(ready.passages),
        questions=len(dataset.questions),
        encoder=encoder.name,
        fusion=own.fusion if own.fusion == "reciprocal" else f"dense weight {own.dense_weight}",
        candidates=own.candidates,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        baseline=baseline,
        rows=rows,
        warnings=warnings(rows),
    )


def _rows(dataset: Dataset, rankings: Sequence[Rankings], baseline: str) -> list[Row]:
    grades = [question.grades for question in dataset.questions]
    gains = {
        each.name: [ndcg(r, g, 10) for r, g in zip(each.documents, grades, strict=True)]
        for each in rankings
    }
    if baseline not in gains:
        raise click.UsageError(f"There is no row {baseline!r}; there are {', '.join(gains)}.")
    rows = []
    for each in rankings:
        pairs = list(zip(each.documents, grades, strict=True))
        rows.append(
            Row(
                each.name,
                recall_5=estimate([recall(ranking, grade, 5) for ranking, grade in pairs]),
                recall_20=estimate([recall(ranking, grade, 20) for ranking, grade in pairs]),
                ndcg_10=estimate(gains[each.name]),
                mrr_10=estimate([reciprocal_rank(ranking, grade, 10) for ranking, grade in pairs]),
                beside_baseline=difference(gains[each.name], gains[baseline]),
                p50_ms=each.p50_ms,
            )
        )
    return rows


def warnings(rows: Sequence[Row]) -> list[str]:
    """Where the default does not beat the better of its halves."""
    by_name = {row.name: row.ndcg_10.mean for row in rows}
    return [
        f"{half} finds better than the default ({by_name[half]:.3f} against "
        f"{by_name[DEFAULT]:.3f}): for such a collection fit the weight with "
        "`moorline tune retrieval`."
        for half in (SPARSE, DENSE)
        if by_name[half] > by_name[DEFAULT]
    ]


def table(report: Report) -> str:
    """The report for people."""
    names = ("recall@5", "recall@20", "nDCG@10", "MRR@10", "beside the baseline")
    lines = [
        f"{report.dataset}, {report.part} part: {report.documents} documents in "
        f"{report.passages} passages, {report.questions} questions (sha256 {report.sha256[:16]})",
        f"{report.encoder}, {report.fusion}, {report.candidates} candidates of each half; "
        f"{report.machine}; mean [95 % interval]; baseline: {report.baseline}",
        "",
        f"{'':25}" + "".join(f"{name:>22}" for name in names) + f"{'p50 ms':>9}",
    ]
    for row in report.rows:
        estimates = (row.recall_5, row.recall_20, row.ndcg_10, row.mrr_10)
        speed = f"{row.p50_ms:.2f}" if row.p50_ms is not None else ""
        beside = "" if row.name == report.baseline else f"{row.beside_baseline:+}"
        figures = "".join(f"{each!s:>22}" for each in estimates)
        lines.append(f"{row.name:25}{figures}{beside:>24}{speed:>9}")
    return "\n".join([*lines, *(f"! {warning}" for warning in report.warnings)])


def _told(what: str, many: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done == many or done % 64 == 0:
            click.echo(f"\r{what} {done} of {many}", err=True, nl=done == many)

    return told
