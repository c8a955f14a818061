"""Rows of text in columns, for commands that list things."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

WIDEST = 48  # characters of a cell


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as what is in them; a cell stays on its line."""
    cells = [tuple(_cell(text) for text in row) for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join(lines)


def moment(seconds: float) -> str:
    """A time of the clock on the wall here."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _cell(text: str) -> str:
    # A question may hold anything: line ends and the sequences that terminals obey too.
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"
