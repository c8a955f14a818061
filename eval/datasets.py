"""Retrieval data sets on disk, most in BEIR's layout: corpus.jsonl, queries.jsonl, qrels.tsv.

It knows which questions of a known set are for reporting only (`test`) and which may be tuned on
(`validation`). What was tuned on a test part says nothing any more, so no caller chooses by hand.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from retrieval.types import Block, Document

Part: TypeAlias = Literal["all", "validation", "test"]
_FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
_CLAPNQ = ("answerable", "unanswerable")
_VALIDATION = 1000
"""So many of SQuAD's questions outside the sample: more narrow no interval that matters."""


class BadDataset(Exception):
    """A folder that holds no data set; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the grades of the documents that bear on it."""

    id: str
    text: str
    grades: Mapping[str, int]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents, the questions that have something to be found, and the digest of it all."""

    name: str
    sha256: str
    documents: Sequence[Document]
    questions: Sequence[Question]
    part: Part = "all"


def read(folder: Path, limit: int | None = None, part: Part = "all") -> Dataset:
    """All documents, and the first `limit` questions of a part. Raises BadDataset.

    A set that has no rule of its own has only the part `all`."""
    dataset = _clapnq(folder) if _is_clapnq(folder) else _beir(folder)
    if part != "all":
        if folder.name not in PARTS:
            raise BadDataset(f"No rule says which questions of {folder.name} are its {part} part.")
        dataset = replace(dataset, questions=PARTS[folder.name](folder, dataset, part), part=part)
    return replace(dataset, questions=dataset.questions[:limit])


def read_all(root: Path, limit: int | None = None, part: Part = "test") -> Iterator[Dataset]:
    """Every set below a folder that has a rule; those without questions in that part are left out.

    Raises BadDataset where there is none at all."""
    found = [root / name for name in PARTS if (root / name).is_dir()]
    if not found:
        raise BadDataset(f"{root} has none of {', '.join(PARTS)}.")
    for folder in found:
        dataset = read(folder, limit, part)
        if dataset.questions:
            yield dataset


def _odd_is_test(folder: Path, whole: Dataset, part: Part) -> Sequence[Question]:
    return [q for q in whole.questions if (int(q.id) % 2 == 1) == (part == "test")]


def _even_rows_are_test(folder: Path, whole: Dataset, part: Part) -> Sequence[Question]:
    rows = enumerate(whole.questions, start=1)
    return [question for row, question in rows if (row % 2 == 0) == (part == "test")]


def _all_are_validation(folder: Path, whole: Dataset, part: Part) -> Sequence[Question]:
    return whole.questions if part == "validation" else ()


def _sample_is_test(folder: Path, whole: Dataset, part: Part) -> Sequence[Question]:
    """The sample's questions, or SQuAD's on paragraphs that the sample does not ask about."""
    if part == "test":
        return whole.questions
    asked = {name for question in whole.questions for name in question.grades}
    stem = folder.parent / "squad" / "dev-v1.1"
    queries, qrels = stem.with_suffix(".1.queries.jsonl"), stem.with_suffix(".1.qrels.tsv")
    if not queries.is_file() or not qrels.is_file():
        return ()
    others = [q for q in _questions(queries, qrels) if asked.isdisjoint(q.grades)]
    return sorted(others, key=lambda question: question.id)[:_VALIDATION]


PARTS: Mapping[str, Callable[[Path, Dataset, Part], Sequence[Question]]] = {
    "squad_dev_2k": _sample_is_test,
    "scifact": _odd_is_test,
    "cranfield": _odd_is_test,
    "cisi": _odd_is_test,
    "cosqa_ir": _even_rows_are_test,
    "clapnq": _all_are_validation,
}
"""Which questions of a set are which part."""


def _beir(folder: Path) -> Dataset:
    for name in _FILES:
        if not (folder / name).is_file():
            raise BadDataset(f"{folder} has no {name}; BEIR's layout is {', '.join(_FILES)}.")
    documents = [
        _document(line["_id"], line.get("title", ""), line["text"])
        for line in _lines(folder / "corpus.jsonl")
    ]
    questions = _questions(folder / "queries.jsonl", folder / "qrels.tsv")
    return Dataset(folder.name, _digest(folder / n for n in _FILES), documents, list(questions))


def _questions(queries: Path, qrels: Path) -> Iterator[Question]:
    grades = _grades(qrels)
    for line in _lines(queries):
        if line["_id"] in grades:
            answers = tuple(line.get("answers", ()))
            yield Question(line["_id"], line["text"], grades[line["_id"]], answers)


def _is_clapnq(folder: Path) -> bool:
    return all(path.is_file() for path in _annotated(folder))


def _annotated(folder: Path) -> list[Path]:
    inside = folder / "annotated_data" / "dev"
    return [inside / f"clapnq_dev_{kind}.jsonl" for kind in _CLAPNQ]


def _clapnq(folder: Path) -> Dataset:
    """Its own layout: each question with its passage. Those of unanswerable ones are in the way."""
    files = _annotated(folder)
    documents: dict[str, Document] = {}
    questions = []
    for kind, path in zip(_CLAPNQ, files, strict=True):
        for line in _lines(path):
            (passage,) = line["passages"]
            name = f"{passage['title']}#{hashlib.sha256(passage['text'].encode()).hexdigest()[:8]}"
            documents[name] = _document(name, passage["title"], passage["text"])
            if kind == "answerable":
                questions.append(Question(line["id"], line["input"], {name: 1}))
    return Dataset(folder.name, _digest(files), list(documents.values()), questions)


def _document(name: str, title: str, text: str) -> Document:
    version = hashlib.sha256(text.encode()).hexdigest()
    return Document(name, version, title, text, (Block("paragraph", 0, len(text)),))


def _grades(path: Path) -> dict[str, dict[str, int]]:
    """By question; one for which nothing is worth finding is left out."""
    grades: dict[str, dict[str, int]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                grades.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return grades


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
