"""A page as it is set: its lines, and where they stand.

Places are in points from the page's lower left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HYPHEN = "\ufffe"
"""Where a word was broken at the end of a line."""
LEADER = " … "
"""What stands for dots that lead to a page number or a price."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line that wide gaps set apart."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text."""

    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float
    bold: bool = False
    upright: bool = True
    drop: float = 0.0
    """How far its last character stands below its first: a word broken at the line's end brings
    the next line with it."""
    cells: tuple[Cell, ...] = ()
    """Its parts, left to right, where there are several."""

    @property
    def parts(self) -> tuple[Cell, ...]:
        """Its cells, or the whole line as the only one."""
        return self.cells or (Cell(self.text, self.left, self.right),)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's lines."""

    number: int
    height: float
    lines: Sequence[Line]
