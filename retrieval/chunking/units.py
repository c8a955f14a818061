"""What is kept together wherever it fits: whole tables, lists and code blocks, rows, sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from retrieval.chunking.measure import Measure, Stretch
from retrieval.chunking.outline import Section
from retrieval.sentences import sentences
from retrieval.types import Block

# What it costs to end a passage behind a unit, beside the squared distance from the ideal length.
_IN_LIST, _IN_CODE, _IN_PARAGRAPH, _AFTER_COLON = 0.05, 0.4, 0.3, 0.5

_LINE = re.compile(r"\S[^\n]*")
_FORMED = ("table", "list", "code")


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch that is kept together, and what it costs to end a passage behind it."""

    start: int
    end: int
    cost: float


def units(section: Section, measure: Measure, whole: bool = True) -> list[Unit]:
    """A section's units in order. They touch: the white space between two is the first one's.

    With `whole`, tables, lists and code blocks that fit are units; without, their rows, items and
    lines are, but for code, of which a line says nothing."""
    found = list(_units(section, measure, whole))
    ends = [unit.start for unit in found[1:]] + [found[-1].end]
    return [replace(unit, end=end) for unit, end in zip(found, ends, strict=True)]


def _units(section: Section, measure: Measure, whole: bool) -> Iterator[Unit]:
    text = measure.document.text
    runs = list(_runs(section.blocks))
    for index, run in enumerate(runs):
        announcing = index + 1 < len(runs) and text[run[-1].end - 1] == ":"
        last = _AFTER_COLON if announcing else 0.0
        if _kept(run, measure, whole):
            yield Unit(run[0].start, run[-1].end, last)
            continue
        for number, block in enumerate(run, 1):
            spans = _parts(block, text)
            inner = _IN_CODE if block.kind == "code" else _IN_PARAGRAPH
            for (start, end), following in pairwise(spans):
                pause = block.kind == "code" and text.count("\n", end, following[0]) > 1
                yield Unit(start, end, 0.0 if pause else inner)
            yield Unit(*spans[-1], last if number == len(run) else _IN_LIST)


def _runs(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """The rows of a table and the items of a list together, all else alone."""
    for kind, run in groupby(blocks, key=lambda block: block.kind):
        if kind in ("table", "list"):
            yield list(run)
        else:
            yield from ([block] for block in run)


def _kept(run: Sequence[Block], measure: Measure, whole: bool) -> bool:
    if run[0].kind == "code" or (whole and run[0].kind in _FORMED):
        return measure.fits(run[0].start, run[-1].end)
    return False


def _parts(block: Block, text: str) -> list[Stretch]:
    """Sentences of prose, lines of code; a row is its own."""
    if block.kind == "table":
        return [(block.start, block.end)]
    body = text[block.start : block.end]
    if block.kind == "code":
        found = [match.span() for match in _LINE.finditer(body)]
    else:
        found = sentences(body)
    return [(block.start + start, block.start + end) for start, end in found]
