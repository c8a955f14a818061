"""Units into stretches that fit a limit: about equally long, and ending where a reader pauses."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence

from retrieval.chunking.measure import LONGEST, Measure, Stretch, trimmed
from retrieval.chunking.units import Unit

_CUTS = (re.compile(r"[;.!?]\s+"), re.compile(r"[,:]\s+"), re.compile(r"\s+"))


def fitted(units: Sequence[Unit], measure: Measure) -> list[Stretch]:
    """The units in stretches within the limit. Like the units they touch, and hold all of it."""
    start, end = units[0].start, units[-1].end
    tokens = measure.tokens(start, end)
    if tokens is not None and tokens <= measure.limit:
        return [(start, end)]
    return list(_fitting(units, measure, measure.ratio(start, end, tokens)))


def _fitting(units: Sequence[Unit], measure: Measure, ratio: float) -> Iterator[Stretch]:
    """What the estimate got wrong is parted again."""
    for first, beyond in _partition(units, measure, ratio):
        start, end = units[first].start, units[beyond - 1].end
        tokens = measure.tokens(start, end)
        if tokens is not None and tokens <= measure.limit:
            yield start, end
        elif beyond - first > 1:
            closer = measure.ratio(start, end, tokens)
            yield from _fitting(units[first:beyond], measure, max(closer, ratio * 1.05))
        else:
            yield from _pieces(start, end, measure, tokens)


def _partition(units: Sequence[Unit], measure: Measure, ratio: float) -> list[tuple[int, int]]:
    """The cheapest way to part units into stretches that fit by estimate: near the ideal length,
    and ending where a reader would pause."""
    room = measure.room
    sparse = max(ratio, room / (measure.limit * LONGEST))
    sizes = [(unit.end - unit.start) * sparse + 0.5 for unit in units]
    total = sum(sizes)
    ideal = total / max(1, math.ceil(total / measure.target))
    best = [0.0] + [math.inf] * len(units)
    begin = [0] * (len(units) + 1)
    for beyond in range(1, len(units) + 1):
        length = 0.0
        for first in range(beyond - 1, -1, -1):
            length += sizes[first]
            if length > room and first < beyond - 1:
                break
            cost = best[first] + ((length - ideal) / ideal) ** 2 + units[beyond - 1].cost
            if cost < best[beyond]:
                best[beyond], begin[beyond] = cost, first
    parts: list[tuple[int, int]] = []
    beyond = len(units)
    while beyond:
        parts.append((begin[beyond], beyond))
        beyond = begin[beyond]
    return parts[::-1]


def _pieces(start: int, end: int, measure: Measure, tokens: int | None) -> Iterator[Stretch]:
    """A unit that is too long alone, in parts of about equal length, between words if it can."""
    text = measure.document.text
    _, last = trimmed(text, start, end)
    if last - start <= 1 or (tokens is not None and tokens <= measure.limit):
        yield start, end
        return
    if tokens is None:
        number = math.ceil((last - start) / (measure.limit * LONGEST / 2))
    else:
        number = math.ceil((tokens - measure.header) / measure.target)
    number = min(max(2, number), last - start)
    length = (last - start) / number
    at = start
    for index in range(1, number + 1):
        middle = start + int(index * length)
        cut = end if index == number else _cut(text, at, middle, int(length / 4))
        if cut > at:
            yield from _pieces(at, cut, measure, measure.tokens(at, cut))
            at = cut


def _cut(text: str, start: int, middle: int, reach: int) -> int:
    """The best place to cut within reach: behind a clause, a comma, a word; else anywhere. White
    space goes to the part before, so that a part begins with something."""
    low = middle - reach
    window = text[low : middle + reach]
    for pattern in _CUTS:
        if ends := [match.end() for match in pattern.finditer(window)]:
            return _behind(text, low + min(ends, key=lambda found: abs(found - reach)))
    cut = middle
    while cut > start and _joined(text[cut]):
        cut -= 1
    return _behind(text, cut if cut > start else middle)


def _behind(text: str, cut: int) -> int:
    """Behind the white space that may stand there."""
    while text[cut].isspace():
        cut += 1
    return cut


def _joined(character: str) -> bool:
    """Whether it is part of the character before."""
    return unicodedata.combining(character) > 0 or character in "\u200d\ufe0f"
