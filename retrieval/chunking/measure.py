"""How long a stretch is as it is embedded: with the title and the heading path in front of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from retrieval.types import Block, Document, Passage

Count: TypeAlias = Callable[[str], int]
"""Tokens of a text, special tokens included."""

Stretch: TypeAlias = tuple[int, int]
"""Where a piece of the document's text begins and ends."""

LONGEST = 12
"""Characters a token, on average: beyond that it is not text, or the count is blind."""

_NAMESPACE = uuid.UUID("6c1d3a52-94a5-4d4b-8f0e-5f2f6f6b7a10")
_TARGET = 5 / 6  # of the limit: room for what the estimate gets wrong
_HEADER = 1 / 2  # of the limit: more of the heading path would crowd out the text
_SAMPLE = 4_000


@dataclass(frozen=True, slots=True)
class Measure:
    """Counts stretches of one section, and makes passages of them."""

    document: Document
    title: str
    path: tuple[str, ...]
    count: Count
    limit: int
    header: int  # tokens of title and path
    prefix: str  # title and path as they are embedded

    @property
    def room(self) -> int:
        return max(1, self.limit - self.header)

    @property
    def target(self) -> float:
        return max(1.0, self.limit * _TARGET - self.header)

    def tokens(self, start: int, end: int) -> int | None:
        """Tokens as embedded; None where there are so many characters that counting is idle."""
        text = self.document.text[start:end].rstrip()
        return None if len(text) > self.limit * LONGEST else self.count(self.prefix + text)

    def fits(self, start: int, end: int) -> bool:
        tokens = self.tokens(start, end)
        return tokens is not None and tokens <= self.limit

    def ratio(self, start: int, end: int, tokens: int | None) -> float:
        """Tokens a character, in the stretch or in the beginning of it."""
        if tokens is None:
            end = min(end, start + _SAMPLE)
            return max(0.01, self.count(self.document.text[start:end]) / (end - start))
        return max(0.01, (tokens - self.header) / (end - start))

    def passage(
        self, ordinal: int, start: int, end: int, parent: tuple[int, int] | None = None
    ) -> Passage:
        document = self.document
        name = f"{document.source}\n{document.version}\n{ordinal}"
        return Passage(
            str(uuid.uuid5(_NAMESPACE, name)),
            document.source,
            document.version,
            ordinal,
            self.title,
            self.path,
            document.text[start:end],
            start,
            end,
            _page(document.blocks, start),
            document.meta,
            parent,
        )


def measured(document: Document, path: tuple[str, ...], count: Count, limit: int) -> Measure:
    """Title and path, shortened where they would take more than their share of the limit."""
    title = document.title
    most = int(limit * _HEADER)
    while (header := count(" › ".join((title, *path)))) > most:
        if len(path) > 1:
            path = path[1:]  # the outermost says least
        elif path and len(path[0]) >= len(title):
            path = tuple(filter(None, (_shortened(path[0]),)))
        else:
            title = _shortened(title)
        if not title and not path:
            break
    empty = Passage("", "", "", 0, title, path, "", 0, 0)
    return Measure(document, title, path, count, limit, header, empty.embedded)


def trimmed(text: str, start: int, end: int) -> Stretch:
    """The stretch without the white space at its ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _shortened(text: str) -> str:
    """About two thirds of a text, up to a word."""
    cut = text.removesuffix("…")[: len(text) * 2 // 3].rstrip()
    words = cut.rpartition(" ")[0] or cut
    return f"{words}…" if len(words) > 1 else ""


def _page(blocks: Sequence[Block], start: int) -> int | None:
    """The page of the block that a place is in."""
    low, high = 0, len(blocks)
    while low < high:
        middle = (low + high) // 2
        if blocks[middle].end <= start:
            low = middle + 1
        else:
            high = middle
    return blocks[low].page if low < len(blocks) else None
