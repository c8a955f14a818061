"""Passages that end where the subject turns, as the distance between neighbouring sentences tells.

Each sentence is embedded once; the few before a place are compared with the few behind it by the
angle between their means. Headings always part, since nothing turns more plainly; tables, lists
and code are never cut unless they are too long for one passage.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.chunking.fitting import fitted
from retrieval.chunking.measure import Count, Measure, Stretch, measured, trimmed
from retrieval.chunking.outline import Section, outline
from retrieval.chunking.units import Unit, units
from retrieval.types import Document, Passage, Vectors

Embed: TypeAlias = Callable[[Sequence[str]], Vectors]
"""Vectors of texts that fit the encoder's window; blocks."""

_SIDE = 3  # sentences compared on either side
_SLICE = 256  # sentences embedded at once, so that memory stays flat in a long document
_LEAST = 1 / 6  # of the limit: no turn leaves less than that on a side
_WITHIN = 0.5  # what it costs at most to part where nothing turns


@dataclass(frozen=True, slots=True)
class Semantic:
    """Distances above `percentile` of a document's are turns."""

    count: Count
    limit: int
    percentile: float
    embed: Embed

    def split(self, document: Document) -> list[Passage]:
        parts = [self._prepared(document, section) for section in outline(document)]
        known = np.sort(np.concatenate([[], *(part.distances for part in parts)]))
        passages: list[Passage] = []
        for part in parts:
            for stretch in self._stretches(part, known):
                start, end = trimmed(document.text, *stretch)
                passages.append(part.measure.passage(len(passages), start, end))
        return passages

    def _prepared(self, document: Document, section: Section) -> _Part:
        """A section that fits is one passage, and nothing of it needs to be embedded."""
        measure = measured(document, section.path, self.count, self.limit)
        if measure.fits(section.start, section.end):
            return _Part(measure, [Unit(section.start, section.end, 0.0)], [])
        found = units(section, measure)
        texts = [self._embeddable(document.text[u.start : u.end].rstrip()) for u in found]
        return _Part(measure, found, distances(texts, self.embed))

    def _embeddable(self, text: str) -> str:
        """The text, or as much of its beginning as fits: it is parted by length anyway."""
        while self.count(text) > self.limit:
            text = text[: len(text) // 2]
        return text

    def _stretches(self, part: _Part, known: NDArray[np.float64]) -> list[Stretch]:
        """Parted at the turns; where that is too long, at the greatest distances within."""
        ranks = [bisect_right(known, distance) / len(known) for distance in part.distances]
        costed = [
            replace(unit, cost=unit.cost + _WITHIN * (1 - rank))
            for unit, rank in zip(part.units, [*ranks, 1.0], strict=True)
        ]
        turns = [place for place, rank in enumerate(ranks) if rank > self.percentile / 100]
        turns.sort(key=lambda place: -part.distances[place])
        cuts = [0, *(place + 1 for place in _spread(turns, part)), len(costed)]
        return [
            stretch
            for first, beyond in pairwise(cuts)
            for stretch in fitted(costed[first:beyond], part.measure)
        ]


@dataclass(frozen=True, slots=True)
class _Part:
    """A section, and how far apart the sentences before and behind each place in it are."""

    measure: Measure
    units: list[Unit]
    distances: list[float]  # one fewer than the units


def distances(texts: Sequence[str], embed: Embed) -> list[float]:
    """Between each text and the next: 1 - the cosine of what stands before and behind."""
    found: list[float] = []
    held = np.empty((0, 0), dtype=np.float32)
    begin = 0  # the place of the first one held
    for start in range(0, len(texts), _SLICE):
        vectors = embed(texts[start : start + _SLICE])
        held = np.concatenate([held, vectors]) if held.size else vectors
        known = begin + len(held)
        complete = len(texts) - 1 if known == len(texts) else known - _SIDE
        for place in range(len(found) + 1, complete + 1):
            at = place - begin
            found.append(_apart(held[max(0, at - _SIDE) : at], held[at : at + _SIDE]))
        done = max(0, len(held) - 2 * _SIDE)
        held, begin = held[done:], begin + done
    return found


def _apart(before: Vectors, behind: Vectors) -> float:
    left, right = before.sum(axis=0), behind.sum(axis=0)
    lengths = float(np.linalg.norm(left) * np.linalg.norm(right))
    return 1 - float(left @ right) / lengths if lengths else 1.0


def _spread(turns: Sequence[int], part: _Part) -> list[int]:
    """The turns in their order, without those that would leave next to nothing on a side."""
    start, end = part.units[0].start, part.units[-1].end
    least = part.measure.room * _LEAST / part.measure.ratio(start, end, None)
    taken = [start, end]
    kept: list[int] = []
    for place in turns:
        at = part.units[place].end
        index = bisect_right(taken, at)
        if at - taken[index - 1] >= least and taken[min(index, len(taken) - 1)] - at >= least:
            insort(taken, at)
            insort(kept, place)
    return kept
