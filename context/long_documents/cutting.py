"""A long text in parts: cut where a reader would pause, with the end of each shown before the next.

The parts touch, so that together they are the text, character by character. What a token is comes
in as a counter; no part is longer than the limit by it.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from context.tokens import Counter
from retrieval.sentences import is_item, is_row, sentences
from retrieval.types import Block, BlockKind, Document

SHORTEST = 32
"""Tokens of the least limit: with less, a word might not fit."""

# What it costs to begin a part in front of a stretch, from a new section to the middle of a word.
_SECTION, _DEEPER = 0.0, 0.02
_BLOCK, _ITEM, _SENTENCE, _ROW, _LINE, _PIECE = 0.2, 0.35, 0.5, 0.9, 1.0, 1.5
_HELD = 1.0  # behind a heading, or a colon that announces what follows
_LEAST_FILLED = 0.5  # of a part, before it may end

_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s")
_NON_BLANK = re.compile(r"[^\n]*\S[^\n]*")
_BLANK = re.compile(r"\s+")


class NoRoom(Exception):
    """The limit is less than a part needs to hold anything."""


@dataclass(frozen=True, slots=True)
class Part:
    """`text[start:end]` is what it adds, `text[lead:end]` what is shown of the text."""

    number: int  # from 1
    start: int
    end: int
    lead: int
    tokens: int  # of what is shown
    section: str  # the headings above its beginning


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch that is cut only where it is too long alone. It ends where the next one begins."""

    start: int
    end: int
    cost: float  # of beginning a part with it
    tokens: int


def structured(text: str, source: str = "") -> Document:
    """A text as it stands with the blocks that its lines show: Markdown's marks, blank lines."""
    return Document(source, "", "", text, tuple(_blocks(text)))


def cut(document: Document, count: Counter, limit: int, overlap: int) -> tuple[Part, ...]:
    """The parts in order, each of at most `limit` tokens, of which up to `overlap` have been in the
    part before, in whole sentences. Computes: not for the event loop. Raises NoRoom."""
    room = limit - overlap
    if room < SHORTEST:
        raise NoRoom
    text = document.text
    units = list(_units(document, count, room))
    total = sum(unit.tokens for unit in units)
    target = total / max(1, math.ceil(total / room))
    headings = sections(document)
    parts: list[Part] = []
    first = 0
    while first < len(units):
        beyond = _beyond(units, first, room, target)
        lead = _lead(units, first, overlap) if parts else first
        while True:  # counted in a row it may be longer than its units
            start, end = units[lead].start, units[beyond - 1].end
            tokens = count(text[start:end])
            if tokens <= limit or beyond - lead == 1:
                break
            lead, beyond = (lead + 1, beyond) if lead < first else (lead, beyond - 1)
        at = units[first].start
        parts.append(Part(len(parts) + 1, at, end, start, tokens, _path(headings, at)))
        first = beyond
    return tuple(parts)


def _beyond(units: Sequence[_Unit], first: int, room: int, target: float) -> int:
    """The unit before which the part ends that begins with `first`: where a cut costs least, and
    the parts come to about the same length."""
    best, least = first + 1, math.inf
    filled = units[first].tokens
    for beyond in range(first + 1, len(units)):
        if filled >= room * _LEAST_FILLED:
            cost = units[beyond].cost + abs(filled - target) / room
            if cost <= least:
                best, least = beyond, cost
        filled += units[beyond].tokens
        if filled > room:
            return best if least < math.inf else beyond
    return len(units)


def _lead(units: Sequence[_Unit], first: int, overlap: int) -> int:
    """The unit from which on a part is shown: as many before it as the overlap allows."""
    lead, tokens = first, 0
    while lead and tokens + units[lead - 1].tokens <= overlap:
        lead -= 1
        tokens += units[lead].tokens
    return lead


def _units(document: Document, count: Counter, room: int) -> Iterator[_Unit]:
    """The whole text, from its first character to its last."""
    text = document.text
    blocks = document.blocks or structured(text).blocks
    begins = list(_begins(text, blocks))
    if not begins:
        return
    ends = [start for start, _ in begins[1:]] + [len(text)]
    for place, ((start, cost), end) in enumerate(zip(begins, ends, strict=True)):
        start = start if place else 0
        tokens = count(text[start:end])
        if tokens <= room:
            yield _Unit(start, end, cost, tokens)
            continue
        for at, beyond, size in _pieces(text, start, end, count, room):
            yield _Unit(at, beyond, cost if at == start else _PIECE, size)


def _begins(text: str, blocks: Sequence[Block]) -> Iterator[tuple[int, float]]:
    """Where a stretch begins, and what it costs to cut there."""
    before: Block | None = None
    for block in blocks:
        if block.start == block.end:
            continue
        yield block.start, _cost(text, block, before)
        yield from ((at, cost) for at, cost in _inside(text, block))
        before = block


def _cost(text: str, block: Block, before: Block | None) -> float:
    if before and (before.kind == "heading" or text[before.end - 1] == ":"):
        return _HELD
    if block.kind == "heading":
        return _SECTION + _DEEPER * block.level
    if before and before.kind == block.kind == "list":
        return _ITEM
    return _ROW if before and before.kind == block.kind == "table" else _BLOCK


def _inside(text: str, block: Block) -> Iterator[tuple[int, float]]:
    """The stretches of a block behind its first: lines of code, sentences of prose."""
    body = text[block.start : block.end]
    if block.kind == "code":
        starts = [match.start() for match in _NON_BLANK.finditer(body)]
        cost = _LINE
    elif block.kind == "table":
        return
    else:
        starts = [start for start, _ in sentences(body)]
        cost = _SENTENCE
    yield from ((block.start + start, cost) for start in starts[1:])


def _pieces(
    text: str, start: int, end: int, count: Counter, room: int
) -> Iterator[tuple[int, int, int]]:
    """A stretch in halves, and those again, until each fits: between words where there are any."""
    tokens = count(text[start:end])
    if tokens <= room or end - start == 1:
        yield start, end, tokens
        return
    middle = (start + end) // 2
    blank = _BLANK.search(text, middle, start + (end - start) * 3 // 4)
    at = blank.end() if blank and blank.end() < end else middle
    yield from _pieces(text, start, at, count, room)
    yield from _pieces(text, at, end, count, room)


def _blocks(text: str) -> Iterator[Block]:
    """The blocks of a text by its lines."""
    kind: BlockKind | None = None  # of the block that is open
    start = end = 0
    at = 0
    for line in text.splitlines(keepends=True):
        here, at = at, at + len(line)
        stripped = line.strip()
        fence = _FENCE.match(line)
        if kind == "code":
            end = here + len(line.rstrip())
            if fence:
                yield Block("code", start, max(end, start))
                kind = None
            continue
        begun: BlockKind | None = "code" if fence else _kind(line, kind)
        if kind and (begun is None or begun in _ALONE or begun != kind or is_item(line)):
            yield Block(kind, start, end)
            kind = None
        if begun is None:
            continue
        if kind is None:
            start = here + len(line) - len(line.lstrip())
        kind, end = begun, here + len(line.rstrip())
        if heading := _HEADING.match(line):
            yield Block("heading", start, end, len(heading[1]))
            kind = None
        elif not stripped:
            kind = None
    if kind:
        yield Block(kind, start, max(end, start))


_ALONE = frozenset({"heading", "table", "code"})


def _kind(line: str, open_: BlockKind | None) -> BlockKind | None:
    """What a line that stands outside of code belongs to; None of a blank one."""
    if not line.strip():
        return None
    if _HEADING.match(line):
        return "heading"
    if is_item(line):
        return "list"
    if is_row(line):
        return "table"
    return open_ if open_ in ("list", "paragraph") else "paragraph"


def sections(document: Document) -> list[tuple[int, str]]:
    """Where each heading begins, with the path that it opens."""
    above: list[tuple[int, str]] = []
    found: list[tuple[int, str]] = []
    for block in document.blocks:
        if block.kind == "heading":
            while above and above[-1][0] >= block.level:
                above.pop()
            said = " ".join(document.text[block.start : block.end].lstrip("# ").split())
            above.append((block.level, said))
            found.append((block.start, " › ".join(text for _, text in above)))
    return found


def _path(headings: Sequence[tuple[int, str]], at: int) -> str:
    place = bisect_right(headings, at, key=lambda heading: heading[0])
    return headings[place - 1][1] if place else ""
