"""What the reader is trained on: questions on passages, by part, of which test parts are left out.

It knows the data sets and their rules of division, and nothing of search, tokens or models. A
collection's passages are made by the product's own splitter. Synthetic questions stand beside the
real ones: a document's title asks for its text, the first sentence of a function's docstring asks
for its code.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import inspect
import json
import random
import sysconfig
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from eval.datasets import Dataset, Question, read
from eval.train.material import Paragraph, clapnq, squad
from retrieval.chunking.sections import split
from retrieval.types import Block, Document, Passage

Count: TypeAlias = Callable[[str], int]
Part: TypeAlias = Literal["training", "validation", "test"]

_LIMIT = 240  # tokens of a passage, as configured by default
_HELD_OUT = 8  # one in so many articles
_FUNCTIONS = 4_000
_SHORTEST_TITLE = 4  # words; a shorter one asks for nothing in particular


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a collection: the passages that are right, and where they answer.

    `plain` questions are made of what is left out of the passages that are read for them.
    No spans and `answerless`: the passages look right and answer nothing."""

    text: str
    right: tuple[int, ...]
    part: Part
    spans: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    wrong: tuple[int, ...] = ()  # judged so; otherwise they are mined
    plain: bool = False
    answerless: bool = False
    grades: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages that are searched together, with the questions on them."""

    name: str
    passages: Sequence[Passage]
    asked: Sequence[Asked]
    bare: Mapping[int, str] = field(default_factory=dict)  # what a plain question reads instead
    spans: bool = False  # whether what is not marked as an answer is none
    share: float = 1.0  # how often a question is taken in an epoch
    plain_share: float = 0.3  # the same of plain ones
    prose: bool = False  # whether questions may be made of its statements

    def text(self, place: int, plain: bool = False) -> str:
        passage = self.passages[place]
        return self.bare.get(place, passage.text) if plain else passage.embedded


def collections(data: Path, count: Count) -> list[Collection]:
    """All that is trained on, with what is held out for validation."""
    return [
        squad_training(data, count),
        encyclopedia(data, count),
        judged_sentences(data),
        *(scientific(data, name, count) for name in ("scifact", "cranfield", "cisi")),
        code_searched(data, count),
        functions(count),
    ]


def part_of(name: str, number: int) -> Part:
    """SciFact, Cranfield and CISI: odd numbers are test questions; CoSQA: even rows are.

    Of the rest every other one is held out."""
    if name == "cosqa_ir":
        if number % 2 == 0:
            return "test"
        return "training" if number % 4 == 1 else "validation"
    if number % 2 == 1:
        return "test"
    return "training" if number % 4 == 2 else "validation"


def squad_training(data: Path, count: Count) -> Collection:
    """The paragraphs without a question in the test sample, whole articles held out."""
    world = squad(data)
    passages, places = _split([p.document for p in world.training], count)
    asked = [
        question
        for paragraph in world.training
        for question in _on_paragraph(paragraph, passages, places[paragraph.name])
    ]
    asked += [
        question
        for paragraph in world.adversarial_training
        for question in _on_paragraph(paragraph, passages, places[paragraph.name])
        if question.answerless
    ]
    return Collection("squad", passages, asked, spans=True, prose=True)


def held_out(article: str) -> Part:
    digest = hashlib.sha256(article.encode()).digest()
    return "validation" if digest[0] % _HELD_OUT == 0 else "training"


def _on_paragraph(
    paragraph: Paragraph, passages: Sequence[Passage], places: Sequence[int]
) -> Iterator[Asked]:
    part = held_out(paragraph.article)
    for question in paragraph.questions:
        if not question.answers:
            yield Asked(question.text, tuple(places), part, answerless=True)
            continue
        spans = {
            place: found
            for place in places
            if (found := _within(passages[place], question.answers))
        }
        if spans:
            yield Asked(question.text, tuple(spans), part, spans, grades={paragraph.name: 1})


def _within(passage: Passage, answers: Iterable[tuple[int, str]]) -> tuple[tuple[int, int], ...]:
    """Where answers stand in a passage as it is embedded."""
    shift = len(passage.embedded) - len(passage.text) - passage.start
    return tuple(
        (start + shift, start + len(text) + shift)
        for start, text in answers
        if passage.start <= start and start + len(text) <= passage.end
    )


def encyclopedia(data: Path, count: Count) -> Collection:
    """ClapNQ, BoolQ and HaluEval's HotpotQA questions over all their passages together."""
    documents: list[Document] = []
    found: list[tuple[str, Document, str]] = []
    for paragraph in clapnq(data):
        documents.append(paragraph.document)
        found += [(q.text, paragraph.document, "") for q in paragraph.questions if q.answers]
    for line in _rows(data / "snli_rte_boolq/boolq/validation.tsv", "\t"):
        title, _, text = line["passage"].partition(" -- ")
        documents.append(_document(f"boolq {title} {_digest(text)[:8]}", title, text))
        found.append((line["question"], documents[-1], ""))
    for raw in (data / "halueval/qa_data.json").read_text().splitlines():
        line = json.loads(raw)
        documents.append(_document(f"halueval {_digest(line['knowledge'])}", "", line["knowledge"]))
        found.append((line["question"], documents[-1], line["right_answer"]))
    passages, places = _split(list({d.source: d for d in documents}.values()), count)
    asked = [
        _asked_of(text, document, answer, passages, places[document.source])
        for text, document, answer in found
    ]
    return Collection("encyclopedia", passages, asked, share=0.5, prose=True)


def _asked_of(
    text: str, document: Document, answer: str, passages: Sequence[Passage], places: Sequence[int]
) -> Asked:
    """Spans only where the answer stands there once, and so is surely meant."""
    spans = {}
    if len(answer) > 3 and document.text.count(answer) == 1:
        start = document.text.index(answer)
        spans = {p: f for p in places if (f := _within(passages[p], [(start, answer)]))}
    return Asked(text, tuple(spans or places), held_out(document.source), spans)


def judged_sentences(data: Path) -> Collection:
    """TREC-QA's training questions with the sentences that were judged for them."""
    passages: list[Passage] = []
    judged: dict[str, tuple[list[int], list[int]]] = {}
    for row in _rows(data / "trecqa_wang/train.csv", ","):
        right, wrong = judged.setdefault(row["qtext"], ([], []))
        (right if row["label"] == "1" else wrong).append(len(passages))
        passages.append(alone(f"trecqa {len(passages)}", row["atext"]))
    asked = [
        Asked(text, tuple(right), "training", wrong=tuple(wrong))
        for text, (right, wrong) in judged.items()
        if right and wrong
    ]
    return Collection("trecqa", passages, asked, share=4)


def scientific(data: Path, name: str, count: Count) -> Collection:
    """A classic collection: its questions by part, and its titles asking for their texts."""
    world = read(data / name)
    passages, places = _split(world.documents, count)
    asked = list(_graded(world, name, places))
    for document in world.documents:
        title, mine = document.title, places.get(document.source, ())
        if mine and len(title.split()) >= _SHORTEST_TITLE:
            asked.append(Asked(title.rstrip(" ."), tuple(mine[:1]), "training", plain=True))
    return Collection(name, passages, asked, share=4)


def code_searched(data: Path, count: Count) -> Collection:
    """CoSQA's questions over its functions."""
    world = read(data / "cosqa_ir")
    passages, places = _split(world.documents, count)
    return Collection("cosqa_ir", passages, list(_graded(world, "cosqa_ir", places)), share=4)


def functions(count: Count) -> Collection:
    """The standard library's functions, asked for by what their docstrings say first."""
    found = [each for path in _library() for each in documented(path.read_text(errors="replace"))]
    random.Random(13).shuffle(found)
    passages: list[Passage] = []
    bare: dict[int, str] = {}
    asked: list[Asked] = []
    for summary, source, stripped in found[:_FUNCTIONS]:
        if count(source) <= _LIMIT:
            place = len(passages)
            passages.append(alone(f"function {place}", source))
            bare[place] = stripped
            asked.append(Asked(summary, (place,), "training", plain=True))
    return Collection("functions", passages, asked, bare, plain_share=0.4)


def documented(module: str) -> Iterator[tuple[str, str, str]]:
    """Of each function: what it says first of itself, its source, and that without saying it."""
    try:
        tree = ast.parse(module)
    except (SyntaxError, ValueError):
        return
    lines = module.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not ast.get_docstring(node):
            continue
        summary = inspect.cleandoc(ast.get_docstring(node) or "").split("\n\n")[0]
        summary = " ".join(summary.split()).rstrip(".")
        said, end = node.body[0], node.end_lineno or node.lineno
        body = lines[said.end_lineno : end]
        if 4 <= len(summary.split()) <= 25 and body and not summary.startswith(">>>"):
            head = lines[node.lineno - 1 : said.lineno - 1]
            source = "\n".join(lines[node.lineno - 1 : end])
            yield summary, textwrap.dedent(source), textwrap.dedent("\n".join([*head, *body]))


def _library() -> list[Path]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"test", "tests", "idlelib", "site-packages", "lib2to3", "idle_test"}
    return sorted(p for p in folder.rglob("*.py") if not skipped & set(p.parts))


def _graded(world: Dataset, name: str, places: Mapping[str, Sequence[int]]) -> Iterator[Asked]:
    for number, question in enumerate(world.questions, start=1):
        named = int(question.id) if question.id.isdigit() else number
        yield _asked(question, part_of(name, named), places)


def _asked(question: Question, part: Part, places: Mapping[str, Sequence[int]]) -> Asked:
    right = tuple(p for source in question.grades for p in places.get(source, ()))
    return Asked(question.text, right, part, grades=question.grades)


def _split(
    documents: Sequence[Document], count: Count
) -> tuple[list[Passage], dict[str, list[int]]]:
    """The passages of all, and which are whose."""
    passages: list[Passage] = []
    places: dict[str, list[int]] = {}
    for document in documents:
        for passage in split(document, count, _LIMIT):
            places.setdefault(document.source, []).append(len(passages))
            passages.append(passage)
    return passages, places


def _rows(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        if delimiter == "\t":
            yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(file)


def _document(source: str, title: str, text: str) -> Document:
    return Document(source, _digest(text), title, text, (Block("paragraph", 0, len(text)),))


def alone(name: str, text: str) -> Passage:
    """A text that is a passage and a document by itself."""
    return Passage(name, name, "", 0, "", (), text, 0, len(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
