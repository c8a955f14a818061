"""How much of an answer each chunker brings before the model, and among how much else.

Measured on excerpts of which every character is known, found by the product's own retriever. A
chunker that hands over more text finds more of everything; so recall is told for five passages, as
elsewhere, and for equal numbers of tokens read, which is what a prompt has room for.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import click
from pydantic import TypeAdapter

from eval.datasets import BadDataset
from eval.excerpts import Excerpts, Part, Stretch, Texts, read
from eval.indexed import Indexed, indexed
from eval.metrics import Estimate, estimate
from eval.remembered import Memory, Remembered, usual_folder
from eval.suites import options
from retrieval.config import ChunkerConfig, MiniLMEncoder, RetrievalConfig
from retrieval.encoders.minilm import MiniLM
from retrieval.retriever import Retriever
from retrieval.types import Encoder, Hit, Query

Seen: TypeAlias = tuple[str, Stretch]
"""What is read of which document."""

BUDGETS = (600, 1200, 2400)
"""Tokens that the model reads: about 2.5, 5 and 10 of the default passages."""
_PASSAGES = 5
_MOST = 50
_SPECIAL = 2  # tokens around every text that no model reads twice

CHUNKERS: dict[str, dict[str, object]] = {
    "fixed": {"kind": "fixed", "overlap": 0},
    "fixed, overlapping": {"kind": "fixed"},
    "sections (default)": {"kind": "sections"},
    "semantic": {"kind": "semantic"},
    "small-to-big": {"kind": "small-to-big"},
    "sentence-window": {"kind": "sentence-window"},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One chunker over all questions. Answer recall is the share of questions of which every
    excerpt is read whole; the margin is over the first row, question by question."""

    name: str
    passages: int
    recall: Estimate  # of five: characters of the excerpts that are read
    precision: Estimate  # of five: of what is read, the share that is excerpts
    iou: Estimate
    answers: Estimate  # of five
    tokens: float  # of five: what is read, on average
    within: dict[int, Estimate]  # answer recall, by tokens read
    margin: dict[int, Estimate]


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    sha256: str
    part: Part
    questions: int
    encoder: str
    passage_tokens: int
    dense_weight: float
    per_section: int
    machine: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class _Found:
    """What was read for one question."""

    recall: float
    precision: float
    iou: float
    answered: float
    tokens: int
    within: dict[int, float]


@click.command("chunking")
@options.dataset
@click.option(
    "--questions",
    "part",
    type=click.Choice(["all", "tuning", "reporting"]),
    default="reporting",
    show_default=True,
    help="Halves, told apart by a digest of the question.",
)
@click.option("--only", multiple=True, type=click.Choice(list(CHUNKERS)), help="Of the chunkers.")
@click.option("--per-section", default=0, show_default=True, help="As retrieval.per_section.")
@options.cache
@options.as_json
def command(
    data: Path,
    part: Part,
    only: Sequence[str],
    per_section: int,
    cache: Path | None,
    json_file: Path | None,
) -> None:
    """Recall, precision and answer recall of each chunker, with 95 % intervals."""
    try:
        texts = read(data, part)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    config = RetrievalConfig(per_section=per_section)
    chunkers = {name: CHUNKERS[name] for name in only or CHUNKERS}
    report = asyncio.run(measured(texts, part, config, chunkers, cache or usual_folder()))
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


async def measured(
    texts: Texts,
    part: Part,
    config: RetrievalConfig,
    chunkers: dict[str, dict[str, object]],
    folder: Path,
) -> Report:
    """Every chunker over the same texts with the built-in encoder; `folder` keeps its graph and
    the vectors."""
    assert isinstance(config.encoder, MiniLMEncoder)  # The command offers no other.
    rows: list[Row] = []
    first: list[_Found] = []
    with closing(Memory(folder)) as memory:
        encoder = Remembered(MiniLM(config.encoder, folder), memory)
        try:
            queries = [await encoder.query(each.question) for each in texts.questions]
            for name, settings in chunkers.items():
                chosen = config.model_copy(update={"chunker": _chunker(settings)})
                async with indexed(texts.documents, encoder, chosen) as ready:
                    found = await asked(texts, queries, ready, encoder, chosen)
                    first = first or found
                    rows.append(_row(name, ready, found, first))
                    click.echo(f"{name}: {len(ready.passages)} passages", err=True)
        finally:
            await encoder.aclose()
    return Report(
        sha256=texts.sha256,
        part=part,
        questions=len(texts.questions),
        encoder=encoder.name,
        passage_tokens=config.passage_tokens,
        dense_weight=config.dense_weight,
        per_section=config.per_section,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        rows=rows,
    )


def _chunker(settings: dict[str, object]) -> ChunkerConfig:
    adapter: TypeAdapter[ChunkerConfig] = TypeAdapter(ChunkerConfig)
    return adapter.validate_python(settings)


async def asked(
    texts: Texts,
    queries: Sequence[Query],
    ready: Indexed,
    encoder: Encoder,
    config: RetrievalConfig,
) -> list[_Found]:
    """What is read for each question: of five hits, and up to each budget."""
    retriever = Retriever(config)
    known: dict[tuple[str, int, int], int] = {}

    def tokens(hit: Hit) -> int:
        passage = hit.passage
        name = passage.document, passage.start, passage.end
        if name not in known:
            known[name] = encoder.count(passage.text) - _SPECIAL
        return known[name]

    found = []
    for each, query in zip(texts.questions, queries, strict=True):
        hits = await retriever.search(ready.index, query, top_k=_PASSAGES)
        within, wanted = {}, 1
        for budget in BUDGETS:
            while True:
                enough = await retriever.search(ready.index, query, top_k=wanted)
                costs = [tokens(hit) for hit in enough]
                missing = budget - sum(costs)
                if missing <= 0 or len(enough) < wanted or wanted == _MOST:
                    break
                # Half of what seems to be missing, so that not much more is read than asked for.
                wanted = min(_MOST, wanted + max(1, missing * wanted // (2 * sum(costs))))
            within[budget] = answered(each, up_to(budget, seen(texts, enough), costs))
        found.append(_judged(each, seen(texts, hits), sum(map(tokens, hits)), within))
    return found


def seen(texts: Texts, hits: Sequence[Hit]) -> list[Seen]:
    return [(hit.passage.document, texts.read(hit.passage)) for hit in hits]


def up_to(budget: int, read_: Sequence[Seen], tokens: Sequence[int]) -> list[Seen]:
    """What is read, best first, until so many tokens are spent; the last one in part."""
    within: list[Seen] = []
    for (source, (start, end)), cost in zip(read_, tokens, strict=True):
        share = min(1.0, budget / cost) if cost else 1.0
        within.append((source, (start, start + int((end - start) * share))))
        budget -= cost
        if budget <= 0:
            break
    return within


def answered(question: Excerpts, read_: Sequence[Seen]) -> float:
    """1 where every excerpt is read whole."""
    own = _union([stretch for source, stretch in read_ if source == question.source])
    return float(all(any(a <= s and e <= b for a, b in own) for s, e in question.stretches))


def _judged(
    question: Excerpts, read_: Sequence[Seen], tokens: int, within: dict[int, float]
) -> _Found:
    own = _union([stretch for source, stretch in read_ if source == question.source])
    wanted = _union(question.stretches)
    both = _length([(max(s, a), min(e, b)) for s, e in wanted for a, b in own])
    all_read = _length([stretch for _, stretch in read_])
    return _Found(
        recall=both / _length(wanted),
        precision=both / all_read if all_read else 0.0,
        iou=both / (all_read + _length(wanted) - both),
        answered=answered(question, read_),
        tokens=tokens,
        within=within,
    )


def _union(stretches: Sequence[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _length(stretches: Sequence[Stretch]) -> int:
    return sum(max(0, end - start) for start, end in stretches)


def _row(name: str, ready: Indexed, found: Sequence[_Found], first: Sequence[_Found]) -> Row:
    return Row(
        name=name,
        passages=len(ready.passages),
        recall=estimate([each.recall for each in found]),
        precision=estimate([each.precision for each in found]),
        iou=estimate([each.iou for each in found]),
        answers=estimate([each.answered for each in found]),
        tokens=statistics.mean(each.tokens for each in found),
        within={b: estimate([each.within[b] for each in found]) for b in BUDGETS},
        margin={
            b: estimate([a.within[b] - o.within[b] for a, o in zip(found, first, strict=True)])
            for b in BUDGETS
        },
    )


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.questions} questions ({report.part}) on five texts (sha256 {report.sha256[:16]})",
        f"{report.encoder}, passages of {report.passage_tokens} tokens, dense weight "
        f"{report.dense_weight}, {report.per_section or 'any number'} of a section; "
        f"{report.machine}",
        "",
        f"of {_PASSAGES} passages, mean [95 % interval]",
        f"{'':20}{'passages':>9}{'recall':>22}{'precision':>22}{'IoU':>22}{'answers':>22}"
        f"{'tokens':>8}",
    ]
    for row in report.rows:
        figures = (row.recall, row.precision, row.iou, row.answers)
        lines.append(
            f"{row.name:20}{row.passages:>9}"
            + "".join(f"{each!s:>22}" for each in figures)
            + f"{row.tokens:>8.0f}"
        )
    lines += ["", "answer recall by tokens read, and the margin over the first line"]
    lines.append(f"{'':20}" + "".join(f"{b:>22}{'margin':>24}" for b in BUDGETS))
    for row in report.rows:
        cells = "".join(f"{row.within[b]!s:>22}{row.margin[b]!s:>24}" for b in BUDGETS)
        lines.append(f"{row.name:20}{cells}")
    return "\n".join(lines)
