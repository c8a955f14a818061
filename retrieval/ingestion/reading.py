"""An item's bytes to passages: parsed, split, tokenised, sketched, scanned. Blocking and pure.

All of it depends on the bytes, the item's name and the recipe alone, so that it may run in any
thread, process or machine. It knows no index and no encoder's vectors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from retrieval.near_duplicates import sketch
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import parse
from retrieval.sources.types import Item
from retrieval.sparse import passage_terms
from retrieval.types import Document, Metadata, Passage, Recorded

READING = 3
"""Rises when the same bytes would be read otherwise, so that they are read again."""

Split: TypeAlias = Callable[[Document], Sequence[Passage]]
Scan: TypeAlias = Callable[[Document, Sequence[Passage]], Sequence[tuple[str, ...]]]
"""Labels for each passage of what in it speaks to the model that will read it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A document as passages that no encoder has seen yet."""

    source: str
    version: str
    recipe: str
    stamp: str
    size: int  # of the item in bytes
    passages: Sequence[Passage]
    terms: Sequence[Sequence[str]]  # of each passage


@dataclass(frozen=True, slots=True)
class Same:
    """Bytes that the index has, read in the same way."""

    size: int


@dataclass(frozen=True, slots=True)
class Reader:
    """How the items of one ingestion become texts."""

    split: Split
    recipe: str  # digest of the chunker and its settings
    meta: Metadata = field(default_factory=dict)
    """Said by whoever ingests: it stands before what a source or the document itself says."""
    scan: Scan | None = None
    scanner: str = ""  # changes with what the scan would find

    def recipe_of(self, item: Item) -> str:
        """Digest of everything but the bytes that makes the item's passages what they are."""
        said = (item.name, item.meta, item.foreign, self.meta)
        parts = (READING, self.recipe, self.scanner, *said)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def knows(self, item: Item, known: Recorded | None) -> bool:
        """Whether it need not even be read to know that nothing has changed."""
        if known is None or not item.stamp or item.stamp != known.stamp:
            return False
        return self.recipe_of(item) == known.recipe

    def read(self, item: Item, known: Recorded | None) -> Text | Same:
        """Blocking. Raises Unreadable."""
        data = item.read()
        return Same(len(data)) if self.same(item, known, data) else self.text(item, data)

    def same(self, item: Item, known: Recorded | None, data: bytes) -> bool:
        """Whether these bytes are in the index, read in the same way."""
        if known is None or known.version != version(data):
            return False
        return self.recipe_of(item) == known.recipe

    def text(self, item: Item, data: bytes) -> Text:
        """Raises Unreadable."""
        document = self.document(item, data)
        passages = self._marked(document, self.split(document))
        if not passages:
            raise Unreadable("it holds no text")
        found = [passage_terms(passage) for passage in passages]
        recipe, size = self.recipe_of(item), item.size or len(data)
        return Text(item.source, document.version, recipe, item.stamp, size, passages, found)

    def document(self, item: Item, data: bytes) -> Document:
        """With its metadata in proper form. Raises Unreadable."""
        document = parse(data, item.name, item.source, item.meta, foreign=item.foreign)
        meta = {
            key: value if isinstance(value, str | int | float) else tuple(value)
            for key, value in {**document.meta, **self.meta}.items()
        }
        return replace(document, title=str(meta.get("title", document.title)), meta=meta)

    def _marked(self, document: Document, passages: Sequence[Passage]) -> list[Passage]:
        """With what the scan finds in them, and the signature of what a model will read."""
        flags = self.scan(document, passages) if self.scan else [()] * len(passages)
        return [
            replace(passage, flags=found, sketch=sketch(_read(document, passages, passage)))
            for passage, found in zip(passages, flags, strict=True)
        ]


def version(data: bytes) -> str:
    """What tells these bytes from any others: a document's version."""
    return hashlib.sha256(data).hexdigest()


def _read(document: Document, passages: Sequence[Passage], passage: Passage) -> str:
    if passage.parent is None:
        return passage.text
    first, last = passage.parent
    return document.text[passages[first].start : passages[last].end]
