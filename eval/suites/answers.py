"""How well the extractive model answers: does it quote the answer, word for word, or say that
there is none?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import click
import numpy as np

from context.types import NOT_IN_DOCUMENTS, Prompt, Source
from eval.datasets import BadDataset, Dataset, read
from eval.indexed import Indexed, indexed
from eval.likeness import normalised
from eval.metrics import Estimate, auroc, estimate
from eval.suites import options
from gateway.backends import open_reranker
from gateway.config import Config
from gateway.providers.base import Call
from gateway.providers.config import ExtractiveProvider
from gateway.providers.extractive import Extractive, answer
from gateway.types import Delta
from retrieval.answerable import answerability
from retrieval.config import (
    MiniLMEncoder,
    NoReranker,
    ReaderReranker,
    RerankerConfig,
    RetrievalConfig,
)
from retrieval.encoders.minilm import MiniLM
from retrieval.retriever import Retriever
from retrieval.support.quotes import ALONE, Quote, Rules, chosen
from retrieval.support.reading import marked
from retrieval.support.reading import read as read_passages
from retrieval.types import Encoder, Hit, Reranker, Where

_FALSE_ABSTENTION = 0.10


@dataclass(frozen=True, slots=True)
class Row:
    """One way of answering, over all questions that have an answer."""

    name: str
    contains: Estimate  # the share of answers that hold a gold answer
    words: float  # mean length of the answers that quote
    sentences: float


@dataclass(frozen=True, slots=True)
class Abstention:
    """Questions without an answer beside those with one."""

    name: str
    with_answer: int
    without_answer: int
    auroc: float
    caught: Estimate  # the share abstained from where one in ten answerable ones is lost
    false_as_shipped: Estimate  # with the threshold that is in the package
    caught_as_shipped: Estimate


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Questions to tell apart."""

    name: str
    with_answer: Sequence[str]
    without: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    dataset: str
    sha256: str
    documents: int
    questions: int
    top_k: int
    machine: str
    abstained: Estimate
    verbatim: Estimate  # of the quotes: the share that stands so in the passage cited
    quotes: int
    p50_ms: float
    p95_ms: float
    rows: Sequence[Row]
    abstentions: Sequence[Abstention] = field(default=())


@dataclass(slots=True)
class _Tally:
    """What one way of answering came to."""

    contains: list[float] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)

    def add(self, text: str, sentences: int, answers: Sequence[str]) -> None:
        self.contains.append(float(contains(text, answers)))
        if sentences:
            self.words.append(len(text.split()))
            self.sentences.append(sentences)

    def row(self, name: str) -> Row:
        many = max(1, len(self.words))
        return Row(
            name, estimate(self.contains), sum(self.words) / many, sum(self.sentences) / many
        )


@dataclass(frozen=True, slots=True)
class World:
    """The documents, ready to be asked about."""

    ready: Indexed
    encoder: Encoder
    config: RetrievalConfig
    reranker: Reranker | None

    async def hits(self, question: str, where: Where | None = None) -> list[Hit]:
        query = await self.encoder.query(question)
        return await Retriever(self.config, self.reranker).search(
            self.ready.index, query, where=where
        )


@click.command("answers")
@options.dataset
@options.limit_of_kinds
@options.unanswerable
@click.option(
    "--off-topic",
    type=click.Path(path_type=Path, exists=True),
    help="CLINC-150's JSON; of it, the test questions out of scope.",
)
@click.option("--reader/--no-reader", default=None, help="Reranked or not; as is the default.")
@options.as_json
def command(
    data: Path,
    limit: int | None,
    unanswerable: Path | None,
    off_topic: Path | None,
    reader: bool | None,
    json_file: Path | None,
) -> None:
    """Answers with the gold answer, verbatim quotes, abstention; 95 % intervals."""
    try:
        whole = read(data)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    unanswered = list(_unanswered(whole, unanswerable, off_topic, limit))
    dataset = replace(whole, questions=whole.questions[:limit])
    reranker = {True: ReaderReranker(), False: NoReranker(), None: None}[reader]
    report = asyncio.run(measured(dataset, unanswered, reranker))
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


async def measured(
    dataset: Dataset,
    unanswered: Sequence[Unanswered] = (),
    reranker: RerankerConfig | None = None,
) -> Report:
    """Ingest into a temporary index, ask every question, then those that have no answer."""
    async with world_of(dataset, reranker or RetrievalConfig().reranker) as world:
        report = await _answered(dataset, world)
        likely: dict[str, float] = {}
        for each in unanswered:
            for text in (*each.with_answer, *each.without):
                if text not in likely:
                    reading = read_passages(text, await world.hits(text))
                    likely[text] = answerability().probability(reading)
    abstentions = [
        abstention(
            each.name,
            [likely[text] for text in each.with_answer],
            [likely[text] for text in each.without],
        )
        for each in unanswered
    ]
    return replace(report, abstentions=abstentions)


async def _answered(dataset: Dataset, world: World) -> Report:
    model = Extractive(ExtractiveProvider(kind="extractive"))
    shipped, never, first, given = _Tally(), _Tally(), _Tally(), _Tally()
    abstained: list[float] = []
    verbatim: list[float] = []
    clock: list[float] = []
    for question in dataset.questions:
        hits = await world.hits(question.text)
        sources = [Source(number, hit) for number, hit in enumerate(hits, 1)]
        started = time.perf_counter()
        answer(question.text, sources)
        clock.append((time.perf_counter() - started) * 1000)
        pieces = await _told(model, question.text, sources)
        text = "".join(pieces)
        silent = text == NOT_IN_DOCUMENTS
        abstained.append(float(silent))
        quoted = [] if silent else [_quote(piece) for piece in pieces]
        verbatim += [float(part in hits[number - 1].passage.text) for part, number in quoted]
        shipped.add(" ".join(part for part, _ in quoted), len(quoted), question.answers)
        reading = marked(read_passages(question.text, hits))
        _add(never, chosen(reading, ALONE), question.answers)
        _add(first, chosen(reading, Rules(sentences=1)), question.answers)
        gold = await world.hits(question.text, {"document": list(question.grades)})
        _add(given, chosen(marked(read_passages(question.text, gold)), ALONE), question.answers)
    return Report(
        dataset=dataset.name,
        sha256=dataset.sha256,
        documents=len(dataset.documents),
        questions=len(dataset.questions),
        top_k=world.config.top_k,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        abstained=estimate(abstained),
        verbatim=estimate(verbatim),
        quotes=len(verbatim),
        p50_ms=statistics.median(clock),
        p95_ms=float(np.percentile(clock, 95)),
        rows=[
            shipped.row("as it answers"),
            never.row("if it never abstained"),
            first.row("one sentence, never abstaining"),
            given.row("gold paragraph given, never abstaining"),
        ],
    )


def _add(tally: _Tally, quotes: Sequence[Quote], answers: Sequence[str]) -> None:
    tally.add(" ".join(quote.sentence.text for quote in quotes), len(quotes), answers)


async def _told(model: Extractive, question: str, sources: Sequence[Source]) -> list[str]:
    """The pieces of the answer as a client is told them: one quote each."""
    call = Call("extractive", Prompt((), tuple(sources), question=question), stream=True)
    return [
        event.text
        async for event in await model.start(call)
        if isinstance(event, Delta) and event.text
    ]


def _quote(piece: str) -> tuple[str, int]:
    text, _, number = piece.strip().rpartition(" [")
    return text, int(number.rstrip("]"))


def abstention(name: str, with_answer: Sequence[float], without: Sequence[float]) -> Abstention:
    """How well the probabilities of the two kinds are told apart."""
    threshold = float(np.quantile(with_answer, _FALSE_ABSTENTION))
    shipped = answerability().strict
    return Abstention(
        name=name,
        with_answer=len(with_answer),
        without_answer=len(without),
        auroc=auroc(with_answer, without),
        caught=estimate([float(each < threshold) for each in without]),
        false_as_shipped=estimate([float(each < shipped) for each in with_answer]),
        caught_as_shipped=estimate([float(each < shipped) for each in without]),
    )


def contains(text: str, answers: Sequence[str]) -> bool:
    """Whether an answer is in the text, both as SQuAD compares them."""
    words = f" {normalised(text)} "
    return any(f" {short} " in words for short in map(normalised, answers) if short)


def _unanswered(
    whole: Dataset, squad: Path | None, clinc: Path | None, limit: int | None
) -> Iterator[Unanswered]:
    """`whole` has all of its questions: they say which paragraphs are for testing."""
    with_answer = [question.text for question in whole.questions]
    if squad:
        tested = {name for question in whole.questions for name in question.grades}
        texts = {document.text for document in whole.documents if document.source in tested}
        with_answer, without = _squad2(squad, texts)
        yield Unanswered("adversarial (SQuAD 2.0)", with_answer[:limit], without[:limit])
    if clinc:
        without = [text for text, _ in json.loads(clinc.read_text())["oos_test"]]
        yield Unanswered("off topic (CLINC-150)", with_answer[:limit], without[:limit])


def _squad2(path: Path, texts: set[str]) -> tuple[list[str], list[str]]:
    """Questions with and without an answer, in an order that does not follow the articles."""
    asked: tuple[list[str], list[str]] = ([], [])
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            if paragraph["context"] in texts:
                for question in paragraph["qas"]:
                    asked[question["is_impossible"]].append(question["question"])
    without, with_answer = (
        sorted(questions, key=lambda text: hashlib.sha256(text.encode()).digest())
        for questions in reversed(asked)
    )
    return with_answer, without


@asynccontextmanager
async def world_of(dataset: Dataset, reranker: RerankerConfig) -> AsyncIterator[World]:
    """A data set's documents in a temporary index; gone when left."""
    config = RetrievalConfig(reranker=reranker)
    with tempfile.TemporaryDirectory(prefix="moorline-eval-") as folder:
        encoder = MiniLM(MiniLMEncoder(), Path(folder))
        try:
            async with (
                indexed(dataset.documents, encoder, config, _progress(dataset)) as ready,
                open_reranker(Config(retrieval=config)) as reads,
            ):
                yield World(ready, encoder, config, reads)
        finally:
            await encoder.aclose()


def _progress(dataset: Dataset) -> Callable[[int], None]:
    many = len(dataset.documents)

    def told(done: int) -> None:
        click.echo(f"\r{done} of {many} documents ingested", err=True, nl=done == many)

    return told


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.dataset}: {report.documents} documents, {report.questions} questions "
        f"(sha256 {report.sha256[:16]}); {report.top_k} passages each; {report.machine}",
        f"abstained from {report.abstained}; {report.quotes} quotes, verbatim {report.verbatim}; "
        f"{report.p50_ms:.1f} ms p50, {report.p95_ms:.1f} ms p95; mean [95 % interval]",
        "",
        f"{'':40}{'holds the gold answer':>24}{'words':>8}{'sentences':>11}",
    ]
    for row in report.rows:
        lines.append(f"{row.name:40}{row.contains!s:>24}{row.words:8.1f}{row.sentences:11.2f}")
    if report.abstentions:
        lines += [
            "",
            f"{'questions without an answer':32}{'n':>12}{'AUROC':>8}{'caught at 10 % false':>24}"
            f"{'false as shipped':>24}{'caught as shipped':>24}",
        ]
    for each in report.abstentions:
        lines.append(
            f"{each.name:32}{each.without_answer:>5}/{each.with_answer:<6}{each.auroc:8.3f}"
            f"{each.caught!s:>24}{each.false_as_shipped!s:>24}{each.caught_as_shipped!s:>24}"
        )
    return "\n".join(lines)
