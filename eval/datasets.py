"""Retrieval data sets on disk, in BEIR's layout: corpus.jsonl, queries.jsonl, qrels.tsv."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from retrieval.types import Block, Document

Share: TypeAlias = Literal["all", "odd", "even"]
_FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")


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


def read(folder: Path, limit: int | None = None, share: Share = "all") -> Dataset:
    """All documents, and the first `limit` questions of a share of them.

    `odd` and `even` go by the question's number: its id where that is one, else its line."""
    for name in _FILES:
        if not (folder / name).is_file():
            raise BadDataset(f"{folder} has no {name}; BEIR's layout is {', '.join(_FILES)}.")
    grades = _grades(folder / "qrels.tsv")
    questions = [
        _question(line, grades[line["_id"]])
        for number, line in enumerate(_lines(folder / "queries.jsonl"), start=1)
        if line["_id"] in grades and _belongs(line["_id"], number, share)
    ]
    documents = [_document(line) for line in _lines(folder / "corpus.jsonl")]
    return Dataset(folder.name, _digest(folder), documents, questions[:limit])


def _belongs(name: str, line: int, share: Share) -> bool:
    number = int(name) if name.isdigit() else line
    return share == "all" or (share == "odd") == (number % 2 == 1)


def _question(line: Mapping[str, Any], grades: Mapping[str, int]) -> Question:
    return Question(line["_id"], line["text"], grades, tuple(line.get("answers", ())))


def _document(line: Mapping[str, Any]) -> Document:
    text = line["text"]
    version = hashlib.sha256(text.encode()).hexdigest()
    block = Block("paragraph", 0, len(text))
    return Document(line["_id"], version, line.get("title", ""), text, (block,))


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


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
