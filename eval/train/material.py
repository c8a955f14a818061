"""What the extractive model is fitted on: questions with passages found for them.

Training parts alone. Of SQuAD these are the paragraphs that no question of the test sample belongs
to, split once more by article into fitting and validation. Passages are found by the product's own
retriever, in one large index, in small ones, and in ones from which the answer was taken away.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import click

from eval.datasets import read
from eval.indexed import Indexed, indexed
from retrieval.config import MiniLMEncoder, RetrievalConfig
from retrieval.encoders.minilm import MiniLM
from retrieval.retriever import Retriever
from retrieval.types import Block, Document, Encoder, Hit

Origin: TypeAlias = Literal[
    "squad", "squad small", "squad adversarial", "article gone", "gone small", "off topic",
    "clapnq", "clapnq unanswerable",
]  # fmt: skip
"""Where a question comes from, and so whether its passages answer it."""

ANSWERABLE: frozenset[Origin] = frozenset({"squad", "squad small", "clapnq"})

_SMALL = 40  # documents of a small collection
_DEEP = 90  # passages found before an article's are taken away
_SEED = 13


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a paragraph; no answers: the paragraph does not answer it."""

    text: str
    answers: tuple[tuple[int, str], ...]  # where each begins, and what it is


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph with the questions on it."""

    name: str
    article: str
    text: str
    questions: tuple[Asked, ...]

    @property
    def document(self) -> Document:
        version = hashlib.sha256(self.text.encode()).hexdigest()
        title = self.article.replace("_", " ")
        return Document(
            self.name, version, title, self.text, (Block("paragraph", 0, len(self.text)),)
        )


@dataclass(frozen=True, slots=True)
class Squad:
    """SQuAD's development set by what may be done with each part."""

    training: Sequence[Paragraph]  # of version 1.1
    test: Sequence[Paragraph]
    adversarial_training: Sequence[Paragraph]  # of version 2.0, answerable questions included
    adversarial_test: Sequence[Paragraph]

    @property
    def documents(self) -> list[Document]:
        return [paragraph.document for paragraph in (*self.training, *self.test)]


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its passages as they were found, best first."""

    question: str
    hits: Sequence[Hit]
    origin: Origin
    group: str  # the article: what must not be split between fitting and validation
    gold: str | None = None  # the document that answers
    answers: Sequence[tuple[int, str]] = field(default=())


def squad(data: Path) -> Squad:
    """Parts by paragraph: the test part is every paragraph with a question in the sample."""
    sample = read(data / "squad_dev_2k")
    named = {document.text: document.source for document in sample.documents}
    test = {name for question in sample.questions for name in question.grades}
    first = list(_paragraphs(data / "squad/dev-v1.1.json", named))
    second = list(_paragraphs(data / "squad/dev-v2.0.json", named))
    return Squad(
        training=[p for p in first if p.name not in test],
        test=[p for p in first if p.name in test],
        adversarial_training=[p for p in second if p.name not in test],
        adversarial_test=[p for p in second if p.name in test],
    )


def clapnq(data: Path) -> list[Paragraph]:
    """ClapNQ's development questions; those without an answer have a passage that looks apt."""
    found = []
    for kind in ("answerable", "unanswerable"):
        path = data / f"clapnq/annotated_data/dev/clapnq_dev_{kind}.jsonl"
        for line in path.read_text().splitlines():
            given = json.loads(line)
            passage = given["passages"][0]
            answers = _answers(given, passage["text"]) if kind == "answerable" else ()
            found.append(
                Paragraph(
                    name=f"clapnq {given['id']}",
                    article=passage["title"],
                    text=passage["text"],
                    questions=(Asked(given["input"], answers),),
                )
            )
    return found


def off_topic(data: Path, part: Literal["train", "test"]) -> list[str]:
    """What people ask an assistant: nothing that an encyclopedia answers."""
    intents = json.loads((data / "clinc_oos/data_full.json").read_text())
    if part == "test":
        return [text for text, _ in intents["oos_test"]]
    others = random.Random(_SEED).sample(intents["val"], 600)
    return [text for text, _ in (*intents["oos_train"], *intents["oos_val"], *others)]


async def examples(data: Path) -> list[Example]:
    """All training examples, found by the product's own retriever."""
    world = squad(data)
    async with encoder() as encodes:
        found = await _large(world, data, encodes)
        found += await _small(world, encodes)
        found += await _clapnq(data, encodes)
    return found


@asynccontextmanager
async def encoder() -> AsyncIterator[MiniLM]:
    """The built-in one, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="moorline-train-") as folder:
        encodes = MiniLM(MiniLMEncoder(), Path(folder))
        try:
            yield encodes
        finally:
            await encodes.aclose()


async def _large(world: Squad, data: Path, encodes: Encoder) -> list[Example]:
    found: list[Example] = []
    config = RetrievalConfig()
    async with indexed(world.documents, encodes, config, _told("SQuAD")) as ready:
        search = _Search(ready, encodes, config)
        for paragraph in world.training:
            found += [await search.on(q, paragraph, "squad") for q in paragraph.questions]
            found += [await search.without(q, paragraph) for q in paragraph.questions[::2]]
        for paragraph in world.adversarial_training:
            found += [
                await search.on(q, paragraph, "squad adversarial")
                for q in paragraph.questions
                if not q.answers
            ]
        found += [await search.alone(text) for text in off_topic(data, "train")]
    return found


async def _small(world: Squad, encodes: Encoder) -> list[Example]:
    """Collections of a few articles, some of whose paragraphs are missing."""
    found: list[Example] = []
    config = RetrievalConfig()
    articles: dict[str, list[Paragraph]] = {}
    for paragraph in world.training:
        articles.setdefault(paragraph.article, []).append(paragraph)
    rest = sorted(articles)
    random.Random(_SEED).shuffle(rest)
    while rest:
        taken: list[Paragraph] = []
        while rest and len(taken) < _SMALL * 1.5:
            taken += articles[rest.pop()]
        random.Random(len(rest)).shuffle(taken)
        kept, gone = taken[:_SMALL], taken[_SMALL:]
        documents = [paragraph.document for paragraph in kept]
        async with indexed(documents, encodes, config) as ready:
            search = _Search(ready, encodes, config)
            for paragraph in kept:
                found += [await search.on(q, paragraph, "squad small") for q in paragraph.questions]
            for paragraph in gone:
                found += [await search.on(q, paragraph, "gone small") for q in paragraph.questions]
    return found


async def _clapnq(data: Path, encodes: Encoder) -> list[Example]:
    paragraphs = clapnq(data)
    config = RetrievalConfig()
    documents = list({p.name: p.document for p in paragraphs}.values())
    async with indexed(documents, encodes, config, _told("ClapNQ")) as ready:
        search = _Search(ready, encodes, config)
        return [
            await search.on(q, paragraph, "clapnq" if q.answers else "clapnq unanswerable")
            for paragraph in paragraphs
            for q in paragraph.questions
        ]


@dataclass(frozen=True, slots=True)
class _Search:
    """One index, asked."""

    ready: Indexed
    encodes: Encoder
    config: RetrievalConfig

    async def on(self, question: Asked, paragraph: Paragraph, origin: Origin) -> Example:
        """A question on a paragraph, whether it is there or not."""
        hits = await self._found(question.text, self.config.top_k)
        there = origin in ANSWERABLE
        return Example(
            question=question.text,
            hits=hits,
            origin=origin,
            group=paragraph.article,
            gold=paragraph.name if there else None,
            answers=question.answers if there else (),
        )

    async def without(self, question: Asked, paragraph: Paragraph) -> Example:
        """The same with the whole article taken away."""
        title = paragraph.document.title
        hits = await self._found(question.text, _DEEP)
        left = [hit for hit in hits if hit.passage.title != title][: self.config.top_k]
        return Example(question.text, left, "article gone", paragraph.article)

    async def alone(self, text: str) -> Example:
        return Example(text, await self._found(text, self.config.top_k), "off topic", text)

    async def _found(self, text: str, top_k: int) -> list[Hit]:
        query = await self.encodes.query(text)
        return await Retriever(self.config).search(self.ready.index, query, top_k)


def _paragraphs(path: Path, named: dict[str, str]) -> Iterator[Paragraph]:
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            questions = tuple(
                Asked(
                    given["question"],
                    tuple(dict.fromkeys((a["answer_start"], a["text"]) for a in given["answers"])),
                )
                for given in paragraph["qas"]
            )
            yield Paragraph(named[text], article["title"], text, questions)


def _answers(given: Mapping[str, Any], text: str) -> tuple[tuple[int, str], ...]:
    """ClapNQ names the sentences that hold the answer."""
    found = []
    for output in given["output"]:
        for sentence in output.get("selected_sentences", ()):
            start = text.find(sentence.strip())
            if start >= 0:
                found.append((start, sentence.strip()))
    return tuple(found)


def _told(name: str) -> Callable[[int], None]:
    def told(done: int) -> None:
        click.echo(f"{name}: {done} documents ingested", err=True)

    return told
