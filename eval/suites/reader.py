"""How well the reader finds answers, and what it adds to saying that there is none.

Its answers are stretches of passages, so they are compared as SQuAD compares them: exact match and
F1. Abstention is judged as risk over coverage of what the extractive model quotes, where what is
held back first is chosen by how the passages were found, by the reader, or by both in turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import click

from eval.datasets import BadDataset, Dataset, read
from eval.likeness import normalised, overlap
from eval.metrics import Estimate, auroc, estimate
from eval.selective import area, coverage, gain, interval
from eval.suites import options
from eval.suites.answers import World, contains, world_of
from eval.train.material import clapnq
from retrieval.answerable import answerability
from retrieval.config import ReaderReranker
from retrieval.sentences import sentences
from retrieval.support.quotes import ALONE, chosen
from retrieval.support.reading import Reading, marked
from retrieval.support.reading import read as read_passages
from retrieval.types import Hit, Span

Answer: TypeAlias = tuple[Hit, Span]
Scored: TypeAlias = tuple[float, float, float, float]
"""Exact match, F1, whether its sentence holds a gold answer, and whether it is verbatim."""

_RISKS = (0.05, 0.10, 0.20)
_NOTHING = -30.0  # log-odds where there is nothing to read


@dataclass(frozen=True, slots=True)
class Row:
    """One way of being given passages."""

    name: str
    exact: Estimate
    f1: Estimate
    sentence: Estimate  # the share of answers whose sentence holds a gold answer
    verbatim: Estimate  # the share that stands so in its passage


@dataclass(frozen=True, slots=True)
class Curve:
    """What is held back first, and what that leaves wrong."""

    name: str
    auroc: float  # questions with an answer against those without
    area: Estimate  # under risk over coverage; less is better
    beside: Estimate | None  # less the first way's, paired
    covered: dict[str, Estimate]  # by risk


@dataclass(frozen=True, slots=True)
class Abstention:
    """A set of questions with and without an answer."""

    name: str
    with_answer: int
    without_answer: int
    wrong: Estimate  # where nothing is held back
    curves: Sequence[Curve]


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    sha256: str
    documents: int
    questions: int
    reader: str
    read: int
    top_k: int
    machine: str
    rows: Sequence[Row]
    abstentions: Sequence[Abstention]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, and what answers it; nothing: no passage does."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    """How sure each stage is that there is an answer, and whether what is quoted is one."""

    found: float  # by how the passages were found, as where nothing was read
    read: float  # by what the reader marks in the likeliest sentence
    both: float  # as the extractive model takes them together
    answerable: bool
    wrong: bool


@click.command("reader")
@options.dataset
@options.limit_of_kinds
@options.unanswerable
@click.option(
    "--clapnq", "clapnq_root", type=click.Path(path_type=Path, exists=True), help="Its folder."
)
@click.option(
    "--reader",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="What `moorline train reranker` has written; the packaged one where not given.",
)
@options.as_json
def command(
    data: Path,
    limit: int | None,
    unanswerable: Path | None,
    clapnq_root: Path | None,
    folder: Path | None,
    json_file: Path | None,
) -> None:
    """Exact match and F1 of the reader's answers, and risk over coverage; 95 % intervals."""
    try:
        dataset = read(data)
        report = asyncio.run(
            measured(dataset, ReaderReranker(folder=folder), limit, unanswerable, clapnq_root)
        )
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


async def measured(
    dataset: Dataset,
    reader: ReaderReranker,
    limit: int | None = None,
    unanswerable: Path | None = None,
    clapnq_root: Path | None = None,
) -> Report:
    """Ask over the data's documents, then over ClapNQ's."""
    abstentions = []
    async with world_of(dataset, reader) as ready:
        rows = await _answered(dataset, ready, limit)
        if unanswerable:
            tested = {name for question in dataset.questions for name in question.grades}
            texts = {d.text for d in dataset.documents if d.source in tested}
            asked = _adversarial(unanswerable, texts, limit)
            abstentions.append(_abstention("SQuAD 2.0", [await _judged(a, ready) for a in asked]))
        top_k, many = ready.config.top_k, ready.config.rerank_top
    if clapnq_root:
        async with world_of(read(clapnq_root), reader) as ready:
            asked = _clapnq(clapnq_root, limit)
            abstentions.append(_abstention("ClapNQ", [await _judged(a, ready) for a in asked]))
    return Report(
        dataset=dataset.name,
        sha256=dataset.sha256,
        documents=len(dataset.documents),
        questions=len(dataset.questions[:limit]),
        reader=str(reader.folder or "packaged"),
        read=many,
        top_k=top_k,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        rows=rows,
        abstentions=abstentions,
    )


async def _answered(dataset: Dataset, ready: World, limit: int | None) -> list[Row]:
    scored: dict[str, list[Scored]] = {}
    for question in dataset.questions[:limit]:
        gold = await ready.hits(question.text, {"document": list(question.grades)})
        found = await ready.hits(question.text)
        for name, hits in (("gold paragraph given", gold), ("found", found)):
            reading = marked(read_passages(question.text, hits))
            for way, answer in (("", first_answer(hits)), (", as quoted", quoted(reading, hits))):
                scored.setdefault(name + way, []).append(_scored(answer, question.answers))
    return [
        Row(name, *(estimate(list(column)) for column in zip(*each, strict=True)))
        for name, each in scored.items()
    ]


def first_answer(hits: Sequence[Hit]) -> Answer | None:
    """The reader's own: the answer of the best passage that has one."""
    return next(((hit, hit.answer) for hit in hits if hit.answer is not None), None)


def quoted(reading: Reading, hits: Sequence[Hit]) -> Answer | None:
    """What the reader marks in the sentence that the extractive model thinks likeliest."""
    if reading.best is None:
        return None
    best = reading.candidates[reading.best]
    answer = best.sentence.answer_in(hits[best.place])
    return (hits[best.place], answer) if answer else None


def _scored(answer: Answer | None, gold: Sequence[str]) -> Scored:
    if answer is None:
        return 0.0, 0.0, 0.0, 1.0
    hit, span = answer
    text = hit.passage.text
    said = text[span.start : span.end]
    around = " ".join(
        text[start:end] for start, end in sentences(text) if start < span.end and span.start < end
    )
    return (
        max(float(normalised(said) == normalised(each)) for each in gold),
        max(overlap(said, each) for each in gold),
        float(contains(around, gold)),
        float(bool(said) and said in text),
    )


async def _judged(asked: _Asked, ready: World) -> _Judged:
    hits = await ready.hits(asked.text)
    reading = read_passages(asked.text, hits)
    said = " ".join(quote.sentence.text for quote in chosen(marked(reading), ALONE))
    unread = read_passages(asked.text, [replace(hit, answers=()) for hit in hits])
    return _Judged(
        found=answerability().probability(unread),
        read=answer[1].score if (answer := quoted(reading, hits)) else _NOTHING,
        both=answerability().probability(reading),
        answerable=bool(asked.answers),
        wrong=not contains(said, asked.answers),
    )


def _abstention(name: str, judged: Sequence[_Judged]) -> Abstention:
    wrong = [each.wrong for each in judged]
    ways = {
        "as found": [each.found for each in judged],
        "as read": [each.read for each in judged],
        "as found and as read": [each.both for each in judged],
    }
    first = ways["as found"]
    curves = []
    for way, sure in ways.items():
        yes = [s for s, each in zip(sure, judged, strict=True) if each.answerable]
        no = [s for s, each in zip(sure, judged, strict=True) if not each.answerable]
        curves.append(
            Curve(
                name=way,
                auroc=auroc(yes, no),
                area=interval(area, sure, wrong),
                beside=None if sure is first else gain(area, sure, first, wrong),
                covered={f"{r:.0%}": interval(coverage(r), sure, wrong) for r in _RISKS},
            )
        )
    many = sum(each.answerable for each in judged)
    return Abstention(name, many, len(judged) - many, estimate([float(w) for w in wrong]), curves)


def _adversarial(path: Path, texts: set[str], limit: int | None) -> list[_Asked]:
    """Of SQuAD 2.0, in an order that follows no article; as many of each kind as the limit says."""
    asked: dict[bool, list[_Asked]] = {True: [], False: []}
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            if paragraph["context"] in texts:
                for question in paragraph["qas"]:
                    answers = tuple(each["text"] for each in question["answers"])
                    asked[bool(answers)].append(_Asked(question["question"], answers))
    return _mixed(asked[True], asked[False], limit)


def _clapnq(root: Path, limit: int | None) -> list[_Asked]:
    """ClapNQ's answers are the sentences that its annotators marked."""
    asked: dict[bool, list[_Asked]] = {True: [], False: []}
    for paragraph in clapnq(root.parent):
        for question in paragraph.questions:
            answers = tuple(text for _, text in question.answers)
            asked[bool(answers)].append(_Asked(question.text, answers))
    return _mixed(asked[True], asked[False], limit)


def _mixed(yes: Sequence[_Asked], no: Sequence[_Asked], limit: int | None) -> list[_Asked]:
    def digest(asked: _Asked) -> bytes:
        return hashlib.sha256(asked.text.encode()).digest()

    chosen = [*sorted(yes, key=digest)[:limit], *sorted(no, key=digest)[:limit]]
    return sorted(chosen, key=digest)


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.dataset}: {report.documents} documents, {report.questions} questions "
        f"(sha256 {report.sha256[:16]}); {report.reader} reader over {report.read} passages, "
        f"{report.top_k} kept; {report.machine}; mean [95 % interval]",
        "",
        f"{'':34}{'exact match':>24}{'F1':>24}{'its sentence holds it':>24}{'verbatim':>24}",
    ]
    for row in report.rows:
        lines.append(
            f"{row.name:34}{row.exact!s:>24}{row.f1!s:>24}{row.sentence!s:>24}{row.verbatim!s:>24}"
        )
    for each in report.abstentions:
        lines += ["", *_curves(each)]
    return "\n".join(lines)


def _curves(each: Abstention) -> list[str]:
    heads = "".join(f"{f'covered at {risk:.0%} risk':>24}" for risk in _RISKS)
    lines = [
        f"{each.name}: {each.with_answer} questions with an answer, {each.without_answer} without; "
        f"wrong where nothing is held back {each.wrong}",
        f"{'held back first':24}{'AUROC':>8}{'area under risk':>24}{'less the first':>26}{heads}",
    ]
    for curve in each.curves:
        beside = format(curve.beside, "+") if curve.beside else ""
        covered = "".join(f"{found!s:>24}" for found in curve.covered.values())
        lines.append(f"{curve.name:24}{curve.auroc:8.3f}{curve.area!s:>24}{beside:>26}{covered}")
    return lines
