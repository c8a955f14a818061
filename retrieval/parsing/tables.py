"""A table's rows as lines that stand alone: `Column: value; Column: value`.

A row is found and quoted by itself, so each carries the names of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Row = Sequence[str]
_NUMBER = re.compile(r"[-+(]?[^\w\s]?\s?\d[\d.,\s]*\)?\s?[%\w]{0,3}")
_LONG_NUMBER = re.compile(r"\d{5}")
_YEAR = re.compile(r"(?:19|20)\d\d")


def lines(rows: Sequence[Row], header: int | None = None, merged: bool = True) -> Iterator[str]:
    """The rows below the header; `header` rows name the columns (guessed where None).

    `merged` says that a cell may be repeated because it spans several columns."""
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    if header is None:
        header = int(len(rows) > 1 and names(rows[0], max(map(len, rows))))
    if header >= len(rows):  # nothing below it: then it is the content
        header = 0
    named = column_names(rows[:header])
    for row in rows[header:]:
        yield line(named, row, merged)


def line(columns: Row, row: Row, merged: bool = True) -> str:
    """One row; empty cells are left out, a cell repeated by a merge is said once."""
    said: list[str] = []
    for index, value in enumerate(row):
        column = columns[index] if index < len(columns) else ""
        text = f"{column}: {value}" if column and column != value else value
        if value and not (merged and said and said[-1] == text):
            said.append(text)
    return "; ".join(said).replace(":; ", ": ")


def names(row: Row, width: int) -> bool:
    """Whether a first row reads as names of columns: distinct, and none of them a quantity."""
    filled = [cell.strip() for cell in row if cell.strip()]
    if not filled or len(filled) < width - 1 or len(set(filled)) < len(filled):
        return False
    if len(row) == 2 and filled[0].endswith(":"):  # names and values side by side
        return False
    if any(len(cell) > 80 or _LONG_NUMBER.search(cell) for cell in filled):
        return False
    quantities = [c for c in filled if _NUMBER.fullmatch(c) and not _YEAR.fullmatch(c)]
    return not quantities and not _YEAR.fullmatch(filled[0])


def column_names(header: Sequence[Row]) -> list[str]:
    """Names of the columns; of several header rows, from the top down."""
    width = max(map(len, header), default=0)
    named: list[str] = []
    for index in range(width):
        parts = dict.fromkeys(row[index] for row in header if index < len(row) and row[index])
        named.append(" ".join(parts).rstrip(":"))
    return named
