"""CSV to blocks: one row, one block, `column: value; column: value`.

The delimiter is the one under which most rows agree on their number of cells.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import islice

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft, Unreadable
from retrieval.parsing.tables import line, names

_DELIMITERS = ",;\t|"
_SAMPLE = 64
_MOST_COLUMNS = 5_000


def read(data: bytes) -> Draft:
    text = decoded(data)
    draft = Draft()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    columns: list[str] | None = None
    held: list[str] | None = None
    try:
        for row in rows:
            cells = [" ".join(cell.split()) for cell in row[:_MOST_COLUMNS]]
            if len(row) > _MOST_COLUMNS:
                raise Unreadable(f"too large: line {rows.line_num} has {len(row):,} columns")
            if not any(cells):
                continue
            if columns is None:
                columns = cells if names(cells, len(cells)) else []
                if columns:
                    held = cells
                    continue
            held = None
            draft.add("table", line(columns, cells))
    except csv.Error as error:
        raise Unreadable(
            f"damaged CSV at line {rows.line_num:,}: {error} (a quote that is never closed?)"
        ) from error
    if held:  # nothing below the header: then it is the content
        draft.add("table", line([], held))
    return draft


def _delimiter(text: str) -> str:
    start = text[:65_536]
    return max(_DELIMITERS, key=lambda delimiter: _agreement(start, delimiter))


def _agreement(text: str, delimiter: str) -> float:
    """The share of the first rows that have as many cells as most, if that is more than one."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        widths = Counter(len(row) for row in islice(rows, _SAMPLE) if row)
    except csv.Error:
        return 0.0
    wide = [(count, width) for width, count in widths.items() if width > 1]
    if not wide:
        return 0.0
    count, width = max(wide)
    return count / widths.total() + min(width, 20) / 1000
