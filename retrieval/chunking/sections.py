"""A document to passages: sections first, then rows, items and sentences, and words at the last.

A passage never crosses a heading: its heading path is its address, by which it is found, cited
and counted. Small neighbouring sections are not merged either: on the sample handbook that cost
two or three of 83 first hits and won none. Nothing is cut: each passage fits the limit as it
is embedded, and together they hold all that the document says.
"""

from __future__ import annotations

import math
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from retrieval.sentences import sentences
from retrieval.types import Block, Document, Passage

Count = Callable[[str], int]

_NAMESPACE = uuid.UUID("6c1d3a52-94a5-4d4b-8f0e-5f2f6f6b7a10")
_TARGET = 5 / 6  # of the limit: room for what the estimate gets wrong
_HEADER = 1 / 2  # of the limit: more of the heading path would crowd out the text
_LONGEST = 12  # characters a token, on average: beyond that it is not text, or the count is blind
_SAMPLE = 4_000

# What it costs to end a passage at a place, beside the squared distance from the ideal length.
_IN_LIST, _IN_PARAGRAPH, _AFTER_COLON = 0.05, 0.3, 0.5

_CUTS = (re.compile(r"[;.!?]\s+"), re.compile(r"[,:]\s+"), re.compile(r"\s+"))


@dataclass(slots=True)
class _Section:
    """What stands under one heading, up to the next."""

    path: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch that is kept together, and what it costs to end a passage behind it."""

    start: int
    end: int
    cost: float


@dataclass(frozen=True, slots=True)
class _Measure:
    """How long a stretch is, with the title and the path that it will carry."""

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
        if end - start > self.limit * _LONGEST:
            return None
        return self.count(self.prefix + self.document.text[start:end])

    def passage(self, ordinal: int, start: int, end: int) -> Passage:
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
        )


def split(document: Document, count: Count, limit: int) -> list[Passage]:
    """The document's passages in order, each of at most `limit` tokens as `count` counts."""
    passages: list[Passage] = []
    for section in _sections(document):
        measure = _measure(document, section.path, count, limit)
        for start, end in _spans(section, measure):
            passages.append(measure.passage(len(passages), start, end))
    return passages


def _sections(document: Document) -> list[_Section]:
    """Sections in order. A heading with nothing below it is itself the text of its parent."""
    sections: list[_Section] = []
    above: list[tuple[int, str]] = []
    for index, block in enumerate(document.blocks):
        if block.kind != "heading":
            path = tuple(text for _, text in above if text != document.title)
            _extend(sections, path, block)
            continue
        while above and above[-1][0] >= block.level:
            above.pop()
        if _leads(document.blocks, index):
            text = document.text[block.start : block.end]
            above.append((block.level, " ".join(text.split())))
        else:
            _extend(sections, tuple(text for _, text in above if text != document.title), block)
    return sections


def _leads(blocks: Sequence[Block], index: int) -> bool:
    """Whether anything stands under a heading."""
    following = blocks[index + 1] if index + 1 < len(blocks) else None
    if following is None:
        return False
    return following.kind != "heading" or following.level > blocks[index].level


def _extend(sections: list[_Section], path: tuple[str, ...], block: Block) -> None:
    if not sections or sections[-1].path != path:
        sections.append(_Section(path))
    sections[-1].blocks.append(block)


def _measure(document: Document, path: tuple[str, ...], count: Count, limit: int) -> _Measure:
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
    return _Measure(document, title, path, count, limit, header, empty.embedded)


def _shortened(text: str) -> str:
    """About two thirds of a text, up to a word."""
    cut = text.removesuffix("…")[: len(text) * 2 // 3].rstrip()
    words = cut.rpartition(" ")[0] or cut
    return f"{words}…" if len(words) > 1 else ""


def _spans(section: _Section, measure: _Measure) -> Iterator[tuple[int, int]]:
    """The spans of a section's passages."""
    start, end = section.blocks[0].start, section.blocks[-1].end
    tokens = measure.tokens(start, end)
    if tokens is not None and tokens <= measure.limit:
        yield _trimmed(measure.document.text, start, end)
        return
    units = list(_units(section.blocks, measure.document.text))
    yield from _fitting(units, measure, _ratio(measure, start, end, tokens))


def _ratio(measure: _Measure, start: int, end: int, tokens: int | None) -> float:
    """Tokens a character, in the stretch or in the beginning of it."""
    if tokens is None:
        end = min(end, start + _SAMPLE)
        return max(0.01, measure.count(measure.document.text[start:end]) / (end - start))
    return max(0.01, (tokens - measure.header) / (end - start))


def _units(blocks: Sequence[Block], text: str) -> Iterator[_Unit]:
    """Rows, items, lines of code and sentences."""
    for index, block in enumerate(blocks):
        following = blocks[index + 1] if index + 1 < len(blocks) else None
        within = following is not None and following.kind == block.kind
        last = _IN_LIST if within and block.kind in ("list", "table") else 0.0
        if following is not None and text[block.end - 1] == ":":
            last = _AFTER_COLON
        if block.kind == "table":
            yield _Unit(block.start, block.end, last)
            continue
        spans = _parts(block, text)
        for start, end in spans[:-1]:
            yield _Unit(start, end, _IN_PARAGRAPH)
        yield _Unit(*spans[-1], last)


def _parts(block: Block, text: str) -> list[tuple[int, int]]:
    body = text[block.start : block.end]
    if block.kind == "code":
        found = [match.span() for match in re.finditer(r"[^\n]*\S[^\n]*", body)]
    else:
        found = sentences(body)
    return [(block.start + start, block.start + end) for start, end in found]


def _fitting(units: Sequence[_Unit], measure: _Measure, ratio: float) -> Iterator[tuple[int, int]]:
    """Spans of whole units, about equally long; what the estimate got wrong is parted again."""
    text = measure.document.text
    for first, beyond in _partition(units, measure, ratio):
        start, end = _trimmed(text, units[first].start, units[beyond - 1].end)
        tokens = measure.tokens(start, end)
        if tokens is not None and tokens <= measure.limit:
            yield start, end
        elif beyond - first > 1:
            closer = _ratio(measure, start, end, tokens)
            yield from _fitting(units[first:beyond], measure, max(closer, ratio * 1.05))
        else:
            yield from _pieces(start, end, measure, tokens)


def _partition(units: Sequence[_Unit], measure: _Measure, ratio: float) -> list[tuple[int, int]]:
    """The cheapest way to part units into stretches that fit by estimate: near the ideal length,
    and ending where a reader would pause."""
    ends = [unit.start for unit in units[1:]] + [units[-1].end]
    sparse = max(ratio, measure.room / (measure.limit * _LONGEST))
    sizes = [(end - unit.start) * sparse + 0.5 for unit, end in zip(units, ends, strict=True)]
    total = sum(sizes)
    ideal = total / max(1, math.ceil(total / measure.target))
    best = [0.0] + [math.inf] * len(units)
    begin = [0] * (len(units) + 1)
    for beyond in range(1, len(units) + 1):
        length = 0.0
        for first in range(beyond - 1, -1, -1):
            length += sizes[first]
            if length > measure.room and first < beyond - 1:
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


def _pieces(
    start: int, end: int, measure: _Measure, tokens: int | None
) -> Iterator[tuple[int, int]]:
    """A unit that is too long alone, in parts of about equal length, between words if it can."""
    text = measure.document.text
    if tokens is None:
        number = math.ceil((end - start) / (measure.limit * _LONGEST / 2))
    else:
        number = math.ceil((tokens - measure.header) / measure.target)
    number = min(max(2, number), end - start)
    length = (end - start) / number
    at = start
    for index in range(1, number + 1):
        cut = end if index == number else _cut(text, start + int(index * length), int(length / 4))
        piece = _trimmed(text, at, max(cut, at))
        at = max(cut, at)
        if piece[0] < piece[1]:
            yield from _piece(*piece, measure)


def _piece(start: int, end: int, measure: _Measure) -> Iterator[tuple[int, int]]:
    tokens = measure.tokens(start, end)
    if (tokens is not None and tokens <= measure.limit) or end - start == 1:
        yield start, end
    else:
        yield from _pieces(start, end, measure, tokens)


def _cut(text: str, middle: int, reach: int) -> int:
    """The best place to cut within reach: behind a clause, a comma, a word; else anywhere."""
    low = middle - reach
    window = text[low : middle + reach]
    for pattern in _CUTS:
        ends = [match.end() for match in pattern.finditer(window)]
        if ends:
            return low + min(ends, key=lambda found: abs(found - reach))
    while unicodedata.combining(text[middle]) or text[middle] in "\u200d\ufe0f":
        middle -= 1
    return middle


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


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
