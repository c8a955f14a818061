"""Small passages to be searched, and the stretch of their section that is read in their place.

A section that is too long to be read whole is parted as sections are, so that what is read ends
where a reader would pause, and each part is then parted again into what is searched. Passages of
one section touch, so that a stretch of them is the document's text, character by character.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from retrieval.chunking.measure import Count, measured, trimmed
from retrieval.chunking.outline import outline
from retrieval.chunking.sections import stretches
from retrieval.types import Document, Passage


@dataclass(frozen=True, slots=True)
class SmallToBig:
    """`child` and `parent` are limits in tokens."""

    count: Count
    child: int
    parent: int

    def split(self, document: Document) -> list[Passage]:
        passages: list[Passage] = []
        for section in outline(document):
            searched = measured(document, section.path, self.count, self.child)
            read = replace(searched, limit=max(self.parent, self.child))
            for start, end in stretches(section, read):
                first = len(passages)
                parts = stretches(section.part(start, end), searched)
                last = first + len(parts) - 1
                if first == last:
                    parts = [trimmed(document.text, *parts[0])]
                parent = (first, last) if first < last else None
                for ordinal, part in enumerate(parts, first):
                    passages.append(searched.passage(ordinal, *part, parent))
        return passages
