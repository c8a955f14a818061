"""How well passages are found: each half alone, blended, and beside rank-bm25."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import click

from eval.datasets import BadDataset, Dataset, Question, Share, read
from eval.indexed import Indexed, indexed
from eval.metrics import Estimate, estimate, ndcg, recall, reciprocal_rank
from retrieval import fusion
from retrieval.config import MiniLMEncoder, RetrievalConfig
from retrieval.encoders.minilm import MiniLM
from retrieval.retriever import Retriever
from retrieval.sparse import query_vector
from retrieval.types import Encoder, Hit, Passage, Query
from retrieval.words import query_terms, terms

_DEEP = 50
"""Passages taken from a ranking, so that 20 documents remain where they come in pieces."""

Ranking = Sequence[str]


@dataclass(frozen=True, slots=True)
class Row:
    """One way of finding, over all questions. Latency is of the search alone, in milliseconds."""

    name: str
    recall_5: Estimate
    recall_20: Estimate
    ndcg_10: Estimate
    mrr_10: Estimate
    p50_ms: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    sha256: str
    documents: int
    passages: int
    questions: int
    encoder: str
    dense_weight: float
    candidates: int
    machine: str
    ingest_passages_per_second: float
    encode_p50_ms: float
    rows: Sequence[Row]


@click.command("retrieval")
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="BEIR.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first questions.")
@click.option(
    "--questions",
    "share",
    type=click.Choice(["all", "odd", "even"]),
    default="all",
    show_default=True,
    help="By number; for sets of which only a part is for reporting.",
)
@click.option("--precision", type=click.Choice(["int8", "fp32"]), default="int8", show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def command(
    data: Path, limit: int | None, share: Share, precision: str, json_file: Path | None
) -> None:
    """Recall, nDCG and MRR of the halves and their blend, with 95 % intervals."""
    try:
        dataset = read(data, limit, share)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    config = RetrievalConfig(encoder=MiniLMEncoder.model_validate({"precision": precision}))
    report = asyncio.run(measured(dataset, config))
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


async def measured(dataset: Dataset, config: RetrievalConfig) -> Report:
    """Ingest into a temporary index with the built-in encoder, then ask every question."""
    assert isinstance(config.encoder, MiniLMEncoder)  # The command offers no other.
    with tempfile.TemporaryDirectory(prefix="moorline-eval-") as folder:
        encoder = MiniLM(config.encoder, Path(folder))
        try:
            await encoder.query("The first question opens the encoder.")
            async with indexed(dataset.documents, encoder, config, _told(dataset)) as ready:
                return await _asked(dataset, config, encoder, ready)
        finally:
            await encoder.aclose()


async def _asked(
    dataset: Dataset, config: RetrievalConfig, encoder: Encoder, ready: Indexed
) -> Report:
    retriever = Retriever(config)
    rankings: dict[str, list[Ranking]] = {}
    clocks: dict[str, list[float]] = {"encode": [], "hybrid (default)": []}
    for question in dataset.questions:
        started = time.perf_counter()
        query = await encoder.query(question.text)
        encoded = time.perf_counter()
        hits = await retriever.search(ready.index, query, top_k=_DEEP)
        clocks["hybrid (default)"].append(time.perf_counter() - encoded)
        clocks["encode"].append(encoded - started)
        rankings.setdefault("hybrid (default)", []).append(_documents(hits))
        for name, ranking in (await _halves(query, config, ready)).items():
            rankings.setdefault(name, []).append(ranking)
    if find_spec("rank_bm25"):
        name = "rank-bm25, same terms"
        rankings[name], clocks[name] = _reference(dataset.questions, ready.passages)
    rows = [_row(n, r, dataset.questions, clocks.get(n)) for n, r in sorted(rankings.items())]
    return Report(
        dataset=dataset.name,
        sha256=dataset.sha256,
        documents=len(dataset.documents),
        passages=len(ready.passages),
        questions=len(dataset.questions),
        encoder=encoder.name,
        dense_weight=config.dense_weight,
        candidates=config.candidates,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        ingest_passages_per_second=len(ready.passages) / ready.seconds,
        encode_p50_ms=statistics.median(clocks["encode"]) * 1000,
        rows=rows,
    )


async def _halves(query: Query, config: RetrievalConfig, ready: Indexed) -> dict[str, Ranking]:
    sparse = query_vector(query_terms(query.text))
    legs = await ready.index.search(query.vector, sparse, config.candidates)
    return {
        "BM25 alone": _documents(legs.sparse),
        "dense alone": _documents(legs.dense),
        "reciprocal ranks, k=60": _documents(fusion.reciprocal_rank(legs)),
    }


def _reference(
    questions: Sequence[Question], passages: Sequence[Passage]
) -> tuple[list[Ranking], list[float]]:
    """The package's Okapi scores over the same terms."""
    from rank_bm25 import BM25Okapi  # type: ignore[import-untyped]

    okapi = BM25Okapi([terms(passage.embedded) for passage in passages])
    rankings, clock = [], []
    for question in questions:
        asked = query_terms(question.text)
        started = time.perf_counter()
        scores = okapi.get_scores(asked)
        order = (-scores).argsort(kind="stable")[:_DEEP]
        clock.append(time.perf_counter() - started)
        rankings.append(_distinct(passages[i].document for i in order if scores[i] > 0))
    return rankings, clock


def _row(
    name: str, rankings: Sequence[Ranking], questions: Sequence[Question], clock: list[float] | None
) -> Row:
    pairs = list(zip(rankings, (question.grades for question in questions), strict=True))
    return Row(
        name,
        recall_5=estimate([recall(ranking, grades, 5) for ranking, grades in pairs]),
        recall_20=estimate([recall(ranking, grades, 20) for ranking, grades in pairs]),
        ndcg_10=estimate([ndcg(ranking, grades, 10) for ranking, grades in pairs]),
        mrr_10=estimate([reciprocal_rank(ranking, grades, 10) for ranking, grades in pairs]),
        p50_ms=statistics.median(clock) * 1000 if clock else None,
    )


def _documents(hits: Iterable[Hit]) -> Ranking:
    return _distinct(hit.passage.document for hit in hits)


def _distinct(names: Iterable[str]) -> Ranking:
    return list(dict.fromkeys(names))


def table(report: Report) -> str:
    """The report for people."""
    head = f"{'':24}{'recall@5':>22}{'recall@20':>22}{'nDCG@10':>22}{'MRR@10':>22}{'p50 ms':>9}"
    lines = [
        f"{report.dataset}: {report.documents} documents in {report.passages} passages, "
        f"{report.questions} questions (sha256 {report.sha256[:16]})",
        f"{report.encoder}, dense weight {report.dense_weight}, "
        f"{report.candidates} candidates of each half; {report.machine}",
        f"ingested {report.ingest_passages_per_second:.0f} passages/s; "
        f"encoding a question {report.encode_p50_ms:.1f} ms p50; mean [95 % interval]",
        "",
        head,
    ]
    for row in report.rows:
        estimates = (row.recall_5, row.recall_20, row.ndcg_10, row.mrr_10)
        speed = f"{row.p50_ms:.2f}" if row.p50_ms is not None else ""
        lines.append(f"{row.name:24}" + "".join(f"{e!s:>22}" for e in estimates) + f"{speed:>9}")
    return "\n".join(lines)


def _told(dataset: Dataset) -> Callable[[int], None]:
    many = len(dataset.documents)

    def told(done: int) -> None:
        click.echo(f"\r{done} of {many} documents ingested", err=True, nl=done == many)

    return told
