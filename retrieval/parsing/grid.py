"""Tables among a page's lines, found by how their cells stand below each other.

Decisions only, no file: lines come with their cells (`page.Line.cells`). A table is a run of rows,
one below the other, with six cells or more that do not stand alone. Rulings are not looked at: most
tables have none between rows. Cells that span columns count to the one that they cover most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from retrieval.parsing.page import LEADER, Cell, Line

_PITCH = 3.2  # most from row to row, in sizes of the type
_WRAPPED = 1.7  # most from line to line within a cell
_LONE = 4  # rows, of which one at least has several cells
_MOST_CELLS = 64  # of a row
_NARROW = 0.6  # of the table's width, above which a lone line is a text
_LONG = 60  # characters of a cell in the mean, above which they are columns of prose
_FEWEST = 6  # cells: two rows of three or three of two
_MOST_HEADER = 3  # rows
_QUANTITY = re.compile(
    r"[-+–−(<>~≈$€£¥]*\s?\d[\d.,:/\s]*\)?\s?[%‰°$€£¥]?\s?\w{0,3}[*†‡]?|[-–—]|n/?a", re.I
)
_MARKER = re.compile(r"\W|\(?\w{1,3}[.)]")
"""What opens an item of a list, however far from it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the lines from `first` up to `after`, as rows of as many cells as it has columns."""

    first: int
    after: int
    rows: Sequence[Sequence[str]]
    header: int
    """How many of the rows name the columns."""


@dataclass(slots=True)
class _Row:
    """Lines that stand side by side."""

    first: int
    after: int
    top: float
    bottom: float
    size: float
    bold: bool
    cells: list[Cell] = field(default_factory=list)

    @property
    def left(self) -> float:
        return self.cells[0].left

    @property
    def right(self) -> float:
        return self.cells[-1].right


def grids(lines: Sequence[Line], heading: Callable[[int], bool]) -> Iterator[Grid]:
    """The tables of a page from the top down; `heading` says which lines are none of a table."""
    rows = _rows(lines)
    at = 0
    while at < len(rows):
        run = _run(rows, at, heading)
        grid = _grid(run)
        if grid:
            yield grid
        at += max(1, len(run))


def _rows(lines: Sequence[Line]) -> list[_Row]:
    rows: list[_Row] = []
    for place, line in enumerate(lines):
        cells = [Cell(" ".join(c.text.split()), c.left, c.right) for c in line.parts]
        if rows and _beside(rows[-1], line, cells):
            row = rows[-1]
            row.cells = sorted([*row.cells, *cells], key=lambda cell: cell.left)
            row.after = place + 1
            row.bold = row.bold and line.bold
        else:
            rows.append(_Row(place, place + 1, line.top, line.bottom, line.size, line.bold, cells))
    return rows


def _beside(row: _Row, line: Line, cells: Sequence[Cell]) -> bool:
    overlap = min(row.top, line.top) - max(row.bottom, line.bottom)
    if overlap < 0.5 * min(row.top - row.bottom, line.top - line.bottom) or line.drop:
        return False
    if len(row.cells) + len(cells) > _MOST_CELLS:
        return False
    return all(a.right <= b.left or b.right <= a.left for a in row.cells for b in cells)


def _run(rows: Sequence[_Row], at: int, heading: Callable[[int], bool]) -> list[_Row]:
    """The rows that stand below each other from one on; none where it opens no table."""
    run: list[_Row] = []
    for row in rows[at:]:
        if run:
            step = run[-1].top - row.top
            if not 0 < step < _PITCH * max(row.size, run[-1].size):
                break
        if not _tabular(row) and (not run or heading(row.first) or _apart(row, run)):
            break
        run.append(row)
    while run and not _tabular(run[-1]) and not _wrapped(run[-1], run[:-1]):
        run.pop()
    return run


def _tabular(row: _Row) -> bool:
    if len(row.cells) == 2 and _MARKER.fullmatch(row.cells[0].text):
        return False
    return len(row.cells) > 1


def _apart(row: _Row, run: Sequence[_Row]) -> bool:
    """Whether a lone cell heads, leads to a page, is too wide for a table or outside it."""
    if (row.bold and row.size > run[-1].size + 0.5) or LEADER in row.cells[0].text:
        return True
    several = [other for other in run[-_LONE:] if len(other.cells) > 1]
    if not several:
        return True
    left, right = min(other.left for other in several), max(other.right for other in several)
    if row.left < left - 2 * row.size or row.left > right:
        return True
    return row.right - row.left > _NARROW * (right - left) and row.left < left + row.size


def _wrapped(row: _Row, run: Sequence[_Row]) -> bool:
    """Whether a row goes on with cells of the one above it: it stands close, and not in the first
    column, and holds words."""
    if not run or run[-1].top - row.top > _WRAPPED * max(row.size, run[-1].size):
        return False
    above = run[-1]
    if len(row.cells) > 1 or len(above.cells) == 1 or row.left < above.left + row.size:
        return False
    return not _counts(row.cells[0].text)


def _grid(run: Sequence[_Row]) -> Grid | None:
    several = [row for row in run if len(row.cells) > 1]
    texts = [cell.text for row in several for cell in row.cells]
    if len(several) < 2 or 2 * len(several) < len(run) or len(texts) < _FEWEST:
        return None
    if sum(map(len, texts)) > _LONG * len(texts):
        return None
    columns = _columns(several)
    rows: list[list[str]] = []
    own: list[_Row] = []
    for row in run:
        placed = _placed(row.cells, columns)
        if own and _wrapped(row, own):
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], placed, strict=True)]
            own[-1].bottom, own[-1].top = row.bottom, row.top
        else:
            rows.append(placed)
            own.append(row)
    return Grid(run[0].first, run[-1].after, rows, _header(rows, own))


def _columns(rows: Sequence[_Row]) -> list[tuple[float, float]]:
    """The columns of the rows with most cells, as wide as these make them without touching."""
    most = max(len(row.cells) for row in rows)
    full = [row.cells for row in rows if len(row.cells) == most]
    columns = [(cell.left, cell.right) for cell in full[0]]
    for cells in full[1:]:
        for place, cell in enumerate(cells):
            left, right = min(columns[place][0], cell.left), max(columns[place][1], cell.right)
            if (place == 0 or columns[place - 1][1] < left) and (
                place == most - 1 or right < columns[place + 1][0]
            ):
                columns[place] = left, right
    return columns


def _placed(cells: Sequence[Cell], columns: Sequence[tuple[float, float]]) -> list[str]:
    """Each cell in the column that it covers most, or else stands nearest to."""
    placed = [""] * len(columns)
    for cell in cells:

        def fit(place: int, cell: Cell = cell) -> float:
            left, right = columns[place]
            return min(right, cell.right) - max(left, cell.left)

        best = max(range(len(columns)), key=fit)
        placed[best] = f"{placed[best]} {cell.text}".strip()
    return placed


def _header(rows: Sequence[Sequence[str]], own: Sequence[_Row]) -> int:
    """How many rows name the columns: those set bold above others that are not, or those without a
    quantity above columns of quantities."""
    bold = next((n for n, row in enumerate(own) if not row.bold), len(own))
    if 0 < bold < len(own):
        named = sum(any(column) for column in zip(*rows[:bold], strict=True))
        return bold if bold <= _MOST_HEADER and named >= len(rows[0]) - 1 else 0
    first, *below = rows
    if sum(map(bool, first)) < max(2, len(first) - 1) or any(map(_valued, first)) or not below:
        return 0
    columns = [[row[place] for row in below] for place in range(len(first)) if first[place]]
    return int(any(2 * sum(map(_counts, column)) >= len(column) for column in columns))


def _counts(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None


def _valued(text: str) -> bool:
    """Whether it is a value, or the name of one that stands beside it, rather than a column's."""
    return _counts(text) or text.endswith(":")
