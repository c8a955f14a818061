"""A document to passages: sections first, then rows, items and sentences, and words at the last.

A passage never crosses a heading: its heading path is its address, by which it is found, cited
and counted. Small neighbouring sections are not merged either: on the sample handbook that cost
two or three of 83 first hits and won none. A table, a list or a code block is parted only where it
is too long for one passage. Nothing is cut off: each passage fits the limit as it is embedded, and
together they hold all that the document says.
"""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.chunking.fitting import fitted
from retrieval.chunking.measure import Count, Measure, Stretch, measured, trimmed
from retrieval.chunking.outline import Section, outline
from retrieval.chunking.units import units
from retrieval.types import Document, Passage


@dataclass(frozen=True, slots=True)
class Sections:
    """The default chunker."""

    count: Count
    limit: int

    def split(self, document: Document) -> list[Passage]:
        return split(document, self.count, self.limit)


def split(document: Document, count: Count, limit: int) -> list[Passage]:
    """The document's passages in order, each of at most `limit` tokens as `count` counts."""
    passages: list[Passage] = []
    for section in outline(document):
        measure = measured(document, section.path, count, limit)
        for stretch in stretches(section, measure):
            start, end = trimmed(document.text, *stretch)
            passages.append(measure.passage(len(passages), start, end))
    return passages


def stretches(section: Section, measure: Measure) -> list[Stretch]:
    """A section in parts that fit; they touch."""
    if measure.fits(section.start, section.end):
        return [(section.start, section.end)]
    return fitted(units(section, measure), measure)
