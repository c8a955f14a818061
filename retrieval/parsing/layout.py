"""Lines on pages to paragraphs, lists and headings: typography read as structure.

Decisions only, no file. Lines come in the order in which the page was written, which is kept:
sorting by position would mix columns. Rows of tables (`grid`) are told like those of any format.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from retrieval.parsing import tables
from retrieval.parsing.draft import Draft
from retrieval.parsing.grid import Grid, grids
from retrieval.parsing.page import HYPHEN, LEADER, Cell, Line, Page

_ITEM = re.compile(
    r"(?:[•▪◦‣●○■□◆➢✓\uf0b7\uf0a7\uf06e\u2022–—*-]\s+|\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)]\s+)(?=\S)"
)
_GLYPH = re.compile(r"^[•▪◦‣●○■□◆➢✓\uf0b7\uf0a7\uf06e\u2022–—*]\s+")
_PAGE_NUMBER = re.compile(
    r"[-–—\s]*(?:page|seite|p\.)?\s*(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:/|of|von)\s*\d{1,4})?[-–—\s]*",
    re.IGNORECASE,
)
_BROKEN = re.compile(rf"(\w*){HYPHEN}\s*(\w*)")
_LEADERS = re.compile(r"(?:\s?[.·_]){5,}\s*")
_MARGIN = 0.09  # of a page's height, where running headers and footers stand
_LARGER = 1.15  # than the body: a heading
_LONGEST_HEADING = 160
_ENOUGH = 500  # lines of a page, to tell where its text ends


@dataclass(slots=True)
class _Group:
    """Lines that make one block; `text` has their joints repaired."""

    page: int
    lines: list[Line]
    text: str
    size: float = 0.0  # of a heading; 0 where it is none
    item: bool = False
    table: Grid | None = None


def write(draft: Draft, pages: Sequence[Page]) -> None:
    """Append the blocks of all pages."""
    pages = [replace(page, lines=list(_whole(page.lines))) for page in pages]
    pages = _without_running(pages)
    whole = "\n".join(line.text for page in pages for line in page.lines)
    words = set(re.findall(r"\w+(?:-\w+)*", whole.lower()))
    groups = list(_groups(pages, _Style(pages)))
    sizes = _heading_sizes(groups)
    for group in groups:
        if group.table:
            rows = [[_unbroken(cell, words) for cell in row] for row in group.table.rows]
            for row in tables.lines(rows, group.table.header, merged=False):
                draft.add("table", row, 0, group.page)
            continue
        text = _unbroken(group.text, words)
        if group.size in sizes:
            level = min(sizes.index(group.size) + 1, 6)
            draft.add("heading", text, level, group.page)
        elif group.item:
            draft.add("list", _GLYPH.sub("- ", text), 0, group.page)
        else:
            draft.add("paragraph", text, 0, group.page)


def _heading_sizes(groups: Sequence[_Group]) -> list[float]:
    """The sizes that set headings, largest first. What sets much of the text sets none."""
    written: Counter[float] = Counter()
    for group in groups:
        written[group.size] += len(group.text)
    sizes = sorted(size for size in written if size)
    while sizes and sum(written[size] for size in sizes) > 0.3 * written.total():
        sizes.pop(0)
    return sizes[::-1]


def _unbroken(text: str, words: set[str]) -> str:
    return _BROKEN.sub(lambda match: _mended(match, words), text)


def _mended(match: re.Match[str], words: set[str]) -> str:
    """A broken word in one piece, with its hyphen where the document writes it so elsewhere."""
    first, second = match.groups()
    hyphened = f"{first}-{second}"
    if hyphened.lower() in words or not second[:1].islower() or not first:
        return hyphened
    return first + second


def _whole(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines, with the fragments joined that a superscript or a change of font cut off.

    Dots that lead to a page number or a price are one mark."""
    held: Line | None = None
    for line in lines:
        line = replace(line, text=_LEADERS.sub(LEADER, line.text).strip())
        if not line.text:
            continue
        if held is not None and _beside(held, line):
            gap = "" if line.left - held.right < 0.12 * held.size else " "
            wider = max(held, line, key=lambda piece: len(piece.text))
            held = Line(
                f"{held.text.rstrip()}{gap}{line.text}",
                held.left,
                line.right,
                wider.top,
                wider.bottom,
                wider.size,
                held.bold and line.bold,
                held.upright,
                held.drop + line.drop,
                _together(held, line, gap),
            )
            continue
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


def _together(line: Line, following: Line, gap: str) -> tuple[Cell, ...]:
    """The cells of both, the touching two as one; none where neither has several."""
    if not (line.cells or following.cells):
        return ()
    last, first = line.parts[-1], following.parts[0]
    joint = Cell(f"{last.text.rstrip()}{gap}{first.text}", last.left, first.right)
    return (*line.parts[:-1], joint, *following.parts[1:])


def _beside(line: Line, following: Line) -> bool:
    overlap = min(line.top - line.drop, following.top) - max(
        line.bottom - line.drop, following.bottom
    )
    height = min(line.top - line.bottom, following.top - following.bottom)
    gap = following.left - line.right
    close = -0.6 * line.size <= gap <= 1.5 * max(line.size, following.size)
    return close and overlap > 0.4 * height


def _without_running(pages: Sequence[Page]) -> list[Page]:
    """Pages without the headers and footers that repeat at the same height, and page numbers."""
    seen: Counter[tuple[str, int]] = Counter()
    for page in pages:
        seen.update({_running(line) for line in page.lines if _marginal(page, line)})
    often = max(2, min(3, len(pages) // 4))
    repeated = {key for key, count in seen.items() if count >= often}
    kept: list[Page] = []
    for page in pages:
        lines = [
            line
            for line in page.lines
            if not (
                len(pages) > 1
                and _marginal(page, line)
                and (_running(line) in repeated or _PAGE_NUMBER.fullmatch(line.text.strip()))
            )
        ]
        kept.append(replace(page, lines=lines))
    return kept


def _marginal(page: Page, line: Line) -> bool:
    middle = (line.top + line.bottom) / 2
    return not page.height * _MARGIN < middle < page.height * (1 - _MARGIN)


def _running(line: Line) -> tuple[str, int]:
    """What stays the same of a running line from page to page."""
    return re.sub(r"\d+", "#", line.text.strip().lower()), round(line.top / 4)


@dataclass
class _Style:
    """What is usual in the document: the body's type, its leading, the edges of its columns."""

    pages: Sequence[Page]
    _edges: dict[tuple[int, int, int], float] = field(default_factory=dict)
    _by_left: dict[int, list[Line]] = field(default_factory=dict)

    @cached_property
    def body(self) -> float:
        """The size in which most text is set."""
        sizes: Counter[float] = Counter()
        for page in self.pages:
            for line in page.lines:
                sizes[round(line.size * 2) / 2] += len(line.text)
        return sizes.most_common(1)[0][0] if sizes else 10.0

    @cached_property
    def bold(self) -> bool:
        """Whether the body itself is bold, which then marks nothing."""
        weights: Counter[bool] = Counter()
        for page in self.pages:
            for line in page.lines:
                weights[line.bold] += len(line.text)
        return weights[True] > weights[False] * 0.5

    @cached_property
    def leading(self) -> dict[int, float]:
        """By size: the distance from line to line within a paragraph, which is a small one."""
        steps: dict[int, list[float]] = defaultdict(list)
        for page in self.pages:
            for line, following in zip(page.lines, page.lines[1:], strict=False):
                step = line.top - line.drop - following.top
                if _alike(line, following) and 0.8 * line.size < step < 3.5 * line.size:
                    steps[round(line.size)].append(step)
        return {size: sorted(found)[len(found) // 4] for size, found in steps.items()}

    def edge(self, page: Page, line: Line) -> float:
        """The right edge of the column that a line stands in: how far its neighbours reach."""
        key = (page.number, round(line.size), round(line.left / 10))
        if key not in self._edges:
            close = self._near(page, line, 1.2 * line.size)
            if len(close) < 3:
                close = self._near(page, line, 3 * line.size)
            # Not the farthest: a line across both columns may begin at the same place.
            self._edges[key] = sorted(close or [line.right])[int(0.9 * (len(close) - 1))]
        return self._edges[key]

    def _near(self, page: Page, line: Line, reach: float) -> list[float]:
        """The right ends of the lines that begin within reach of where one does."""
        if page.number not in self._by_left:
            self._by_left[page.number] = sorted(page.lines, key=_left)
        lines = self._by_left[page.number]
        first = bisect_right(lines, line.left - reach, key=_left)
        beyond = bisect_left(lines, line.left + reach, key=_left)
        few = range(first, beyond, 1 + (beyond - first) // _ENOUGH)
        return [
            lines[place].right
            for place in few
            if lines[place].size < self.body * _LARGER or _alike(line, lines[place])
        ]

    def heading(self, line: Line, above: Line | None) -> float:
        """The size of a heading, which orders it among the others; 0 where the line is none."""
        text = line.text.strip()
        if len(text) > _LONGEST_HEADING or sum(c.isalpha() for c in text) < 2:
            return 0
        if not line.upright or _GLYPH.match(text):
            return 0
        size = round(line.size * 2) / 2
        if line.size >= self.body * _LARGER:
            return size
        if not line.bold or self.bold or line.size < self.body * 0.95 or text[-1] in ".,;:":
            return 0
        usual = self.leading.get(round(line.size), 1.2 * line.size)
        apart = above is None or not 0 < above.top - above.drop - line.top < usual * 1.15
        return size if apart and len(text) <= 100 else 0


def _left(line: Line) -> float:
    return line.left


def _alike(line: Line, other: Line) -> bool:
    return abs(line.size - other.size) <= 0.08 * max(line.size, other.size)


def _groups(pages: Sequence[Page], style: _Style) -> Iterator[_Group]:
    group: _Group | None = None
    before = pages[0] if pages else None
    for page in pages:
        found = {grid.first: grid for grid in grids(page.lines, partial(_heads, page, style))}
        after = 0
        for index, line in enumerate(page.lines):
            if index in found:
                if group is not None:
                    yield _settled(group)
                group, after = None, found[index].after
                lines = list(page.lines[index:after])
                yield _Group(page.number, lines, "", table=found[index])
            if index < after:
                continue
            size = style.heading(line, page.lines[index - 1] if index else None)
            item = not size and _ITEM.match(line.text) is not None
            joint = None
            if group is not None and before is not None and size == group.size and not item:
                joint = _joint(group, before, page, line, style)
            if group is not None and joint is not None:
                group.text += ("" if group.text.endswith(HYPHEN) else joint) + line.text.strip()
                group.lines.append(line)
            else:
                if group is not None:
                    yield _settled(group)
                group = _Group(page.number, [line], line.text.strip(), size, item)
            before = page
    if group is not None:
        yield _settled(group)


def _heads(page: Page, style: _Style, index: int) -> bool:
    return style.heading(page.lines[index], page.lines[index - 1] if index else None) > 0


def _settled(group: _Group) -> _Group:
    """A heading that turned out to be an essay is a paragraph."""
    if len(group.text) > _LONGEST_HEADING:
        group.size = 0
    return group


def _joint(group: _Group, before: Page, page: Page, line: Line, style: _Style) -> str | None:
    """What joins a line to the block in front of it: a space, a line end, or None for nothing."""
    last = group.lines[-1]
    if not _alike(last, line):
        return None
    step = last.top - last.drop - line.top
    wraps = _wraps(last, line, style.edge(before, last))
    if group.size:
        return " " if before is page and 0 < step < 1.6 * line.size else None
    if before is not page or step < -0.5 * line.size:  # the next page or column
        goes_on = line.text.lstrip()[:1].islower() and group.text[-1] not in ".!?:;"
        return " " if goes_on and wraps else None
    if step > 1.25 * style.leading.get(round(line.size), 1.2 * line.size) + 0.5:
        return None
    if group.item:
        hangs = line.left >= group.lines[0].left - 1
        return " " if hangs and (wraps or line.left > group.lines[0].left + 3) else None
    if line.left - last.left > 0.8 * line.size and wraps:
        return None  # an indent opens a paragraph
    return " " if wraps else "\n"


def _wraps(line: Line, following: Line, edge: float) -> bool:
    """Whether a line ends because the next word did not fit."""
    if line.text.endswith(HYPHEN):
        return True
    if LEADER in line.text:
        return False
    word = following.text.split(maxsplit=1)[0] if following.text.strip() else ""
    return edge - line.right < (len(word) + 1) * 0.5 * following.size
