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

_GOES_ON = 0.2  # more, where a statement does
_DEEP = 16  # spaces of indentation, from which on a cut costs all
_OPENING = ":{(["
_CLOSING = re.compile(r"[)\]}]|(?:else|elif|except|finally|catch|end)\b")

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
            if block.kind == "code":
                costs = _code_costs(text, spans)
            else:
                costs = [_IN_PARAGRAPH] * (len(spans) - 1)
            for (start, end), cost in zip(spans, costs, strict=False):
                yield Unit(start, end, cost)
            yield Unit(*spans[-1], last if number == len(run) else _IN_LIST)


def _code_costs(text: str, lines: Sequence[Stretch]) -> list[float]:
    """What it costs to end a passage behind each line but the last: nothing at an empty line, least
    at a statement of the outermost block, most within one that goes on."""
    gaps = [text[end:start] for (_, end), (start, _) in pairwise(lines)]
    depths = [len(gap.rpartition("\n")[2].expandtabs(4)) for gap in gaps]
    outermost = min(depths, default=0)
    costs: list[float] = []
    for gap, depth, ((_, end), (start, _)) in zip(gaps, depths, pairwise(lines), strict=True):
        if gap.count("\n") > 1:
            costs.append(0.0)
        elif text[end - 1] in _OPENING or _CLOSING.match(text, start):
            costs.append(_IN_CODE + _GOES_ON)
        else:
            costs.append(_IN_CODE * min(1.0, (depth - outermost) / _DEEP + 0.1))
    return costs


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
