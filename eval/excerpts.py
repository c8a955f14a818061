"""Texts, and questions of which the answering excerpts are known, character by character.

The layout of Chroma's evaluation of chunkers: `corpora/*.md` and `questions_df.csv`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from eval.datasets import BadDataset
from retrieval.chunking.measure import trimmed
from retrieval.types import Block, BlockKind, Document, Passage

Part: TypeAlias = Literal["all", "tuning", "reporting"]
Stretch: TypeAlias = tuple[int, int]

_LINE = re.compile(r"\S[^\n]*")
# `= = Plot = =` as in an encyclopedia, `==== Body` as in an archive
_TITLE = re.compile(r"((?:= )+)\S.*?\S (?:= ?)+$|={3,} \S.*$")


@dataclass(frozen=True, slots=True)
class Excerpts:
    """A question and where its answer stands in the text that it is about."""

    question: str
    source: str
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """Documents, questions on them, and the digest of both."""

    sha256: str
    documents: Sequence[Document]
    questions: Sequence[Excerpts]

    def read(self, passage: Passage) -> Stretch:
        """What a reader has seen of a passage's text, the white space behind it included: two
        that stand side by side are read as one."""
        text = next(each.text for each in self.documents if each.source == passage.document)
        end = passage.end
        while end < len(text) and text[end].isspace():
            end += 1
        return passage.start, end


def read(folder: Path, part: Part = "all") -> Texts:
    """All texts, with the questions of one part. A question's part is fixed by its own words."""
    table = folder / "questions_df.csv"
    corpora = sorted((folder / "corpora").glob("*.md"))
    if not table.is_file() or not corpora:
        raise BadDataset(f"{folder} holds no questions_df.csv beside corpora/*.md.")
    digest = hashlib.sha256(table.read_bytes())
    documents = []
    for path in corpora:
        digest.update(path.read_bytes())
        documents.append(_document(path))
    known = {document.source: document.text for document in documents}
    with table.open(newline="", encoding="utf-8") as file:
        questions = [_question(row, known[row["corpus_id"]]) for row in csv.DictReader(file)]
    chosen = [each for each in questions if part == "all" or _part(each.question) == part]
    return Texts(digest.hexdigest(), documents, chosen)


def _part(question: str) -> Part:
    return "tuning" if hashlib.sha256(question.encode()).digest()[0] % 2 else "reporting"


def _question(row: dict[str, str], text: str) -> Excerpts:
    """White space at an excerpt's ends says nothing, and no chunker owes it."""
    given = [(each["start_index"], each["end_index"]) for each in json.loads(row["references"])]
    return Excerpts(
        row["question"], row["corpus_id"], tuple(trimmed(text, *each) for each in sorted(given))
    )


def _document(path: Path) -> Document:
    """The text as it is, so that places stay; without a title, since a file's name gives hints."""
    text = path.read_text(encoding="utf-8")
    version = hashlib.sha256(text.encode()).hexdigest()
    return Document(path.stem, version, "", text, tuple(_blocks(text)))


def _blocks(text: str) -> Iterator[Block]:
    for match in _LINE.finditer(text):
        line = match.group().rstrip()
        kind: BlockKind = "paragraph"
        level = 0
        if title := _TITLE.match(line):
            kind, level = "heading", len((title[1] or "").split()) or 2
        elif " | " in line:
            kind = "table"
        yield Block(kind, match.start(), match.start() + len(line), level)
