"""Single sentences to be searched, and their neighbours that are read with them.

A row of a table and an item of a list are sentences; a block of code is one, too. Neighbours are of
the same section, and touch, so that a stretch of them is the document's text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.chunking.fitting import fitted
from retrieval.chunking.measure import Count, Measure, Stretch, measured
from retrieval.chunking.outline import Section, outline
from retrieval.chunking.units import units
from retrieval.types import Document, Passage


@dataclass(frozen=True, slots=True)
class SentenceWindow:
    """`window` sentences are read on either side."""

    count: Count
    limit: int
    window: int

    def split(self, document: Document) -> list[Passage]:
        passages: list[Passage] = []
        for section in outline(document):
            measure = measured(document, section.path, self.count, self.limit)
            parts = list(_sentences(section, measure))
            first = len(passages)
            last = first + len(parts) - 1
            for ordinal, (start, end) in enumerate(parts, first):
                parent = max(first, ordinal - self.window), min(last, ordinal + self.window)
                whole = parent if parent[0] < parent[1] else None
                passages.append(measure.passage(ordinal, start, end, whole))
        return passages


def _sentences(section: Section, measure: Measure) -> Iterator[Stretch]:
    """Each alone; one that is too long for a passage, in parts."""
    for unit in units(section, measure, whole=False):
        yield from fitted([unit], measure)
