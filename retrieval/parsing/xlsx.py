"""XLSX to blocks: a heading for each sheet, a line for each row, with the names of its columns.

A sheet may hold several tables: an empty row parts them, and a row of one cell above one is its
caption. Values are shown as their cells show them; what a formula last came to is read, nothing is
calculated. Hidden sheets, rows and columns are kept apart; charts, pictures and comments dropped.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice, pairwise, takewhile
from math import isfinite

from lxml import etree  # type: ignore[import-untyped]

from retrieval.parsing import numbers
from retrieval.parsing.draft import Draft, Unreadable, proper
from retrieval.parsing.office import Package, inside, local, reference, true, whole
from retrieval.parsing.tables import column_names, line, names

_MOST_CELLS = 2_000_000
_MOST_COLUMNS = 20_000  # three letters name no more
_MOST_STRINGS = 100_000_000  # characters
_LONGEST_ELEMENT = 8_000_000  # bytes of one row, or of one text
_MOST_MERGES = 50_000
_WIDEST_MERGE = 100
_MOST_TALL = 200  # merged cells that reach into one row from above
_LOOKED_AT = 30  # rows, for what a table's header is
_LONGEST_NAME = 80

_CELL = re.compile(r"([A-Z]{1,3})\d{1,7}")
_MERGE = re.compile(
    rb"<(?:\w+:)?mergeCell\s[^<>]*?ref\s*=\s*[\"']"
    rb"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})[\"']"
)
_END = re.compile(rb"</(?:\w+:)?sheetData>|<(?:\w+:)?sheetData\s*/>")
_NAMELESS = re.compile(
    r"(?:Sheet|Tabelle|Feuil|Hoja|Foglio|Planilha|Blad|Лист)\s?\d*", re.IGNORECASE
)
_ESCAPE = re.compile(r"_x00(?:0[0-9A-Fa-f]|1[0-9A-Fa-f])_")

Cells = dict[int, str]
"""Texts of a row by column, counted from 0; empty ones are not there."""


@dataclass(frozen=True, slots=True)
class _Book:
    """What all sheets share."""

    strings: list[str]
    codes: list[str]  # the format code of each style
    since_1904: bool
    cells: Iterator[int]  # a number for each cell read, in all sheets


def read(data: bytes) -> Draft:
    package = Package(data, "XLSX")
    main = package.main()
    book = package.tree(main)
    related = package.related(main)
    shared = {relation.kind: relation.part for relation in related.values()}
    properties = book.find("{*}workbookPr")
    values = _Book(
        _strings(package, shared.get("sharedStrings", "")),
        _codes(package, shared.get("styles", "")),
        properties is not None and true(properties.get("date1904")),
        count(1),
    )
    draft = Draft()
    draft.title = proper(package.title())
    sheets: list[tuple[str, Draft]] = []
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        relation = related.get(reference(sheet))
        if relation is None or relation.kind != "worksheet" or relation.part not in package:
            continue
        unseen = sheet.get("state", "visible") != "visible"
        written = Draft()
        _Sheet(written, values, unseen).write(package.stream(relation.part))
        sheets.append((sheet.get("name", ""), written))
    shown = [name for name, written in sheets if written.size]
    for name, written in sheets:
        if written.size and not (len(shown) == 1 and _NAMELESS.fullmatch(name)):
            draft.add("heading", name, 1)
        draft.append(written)
    return draft


def _strings(package: Package, part: str) -> list[str]:
    """The texts that cells refer to by number, without how they are pronounced."""
    if part not in package:
        return []
    found: list[str] = []
    size = 0
    for item in _each(package.stream(part), "si"):
        text = _text(item)
        size += len(text)
        if size > _MOST_STRINGS:
            raise Unreadable(f"too large: more than {_MOST_STRINGS:,} characters in its cells")
        found.append(text)
    return found


def _codes(package: Package, part: str) -> list[str]:
    """The format code of each style of a cell."""
    if part not in package:
        return []
    styles = package.tree(part)
    codes = dict(numbers.BUILT_IN)
    for form in styles.iterfind("{*}numFmts/{*}numFmt"):
        codes[whole(form.get("numFmtId"))] = form.get("formatCode", "")
    cells = styles.iterfind("{*}cellXfs/{*}xf")
    return [codes.get(whole(style.get("numFmtId")), "General") for style in cells]


def _each(data: bytes, repeated: str, *others: str) -> Iterator[etree._Element]:
    """Elements of a large part one by one, each forgotten when the next is asked for."""
    if len(data) > _LONGEST_ELEMENT:
        _refuse_long(data, repeated)
    steps = etree.iterparse(
        io.BytesIO(data),
        tag=[f"{{*}}{tag}" for tag in (repeated, *others)],
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
    )
    try:
        for _, element in steps:
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"damaged XLSX: {error}") from error


def _refuse_long(data: bytes, repeated: str) -> None:
    """Refuse a part one element of which is so long that its tree would fill the memory."""
    at = 0
    for match in re.finditer(rb"<(?:\w{1,9}:)?%b[\s/>]" % repeated.encode(), data):
        if match.start() - at > _LONGEST_ELEMENT:
            break
        at = match.start()
    if len(data) - at > _LONGEST_ELEMENT and not _END.search(data, at, at + _LONGEST_ELEMENT):
        raise Unreadable("too large: a row or a text that would fill the memory")


def _text(element: etree._Element) -> str:
    """A text with its runs joined, without how they are pronounced."""
    runs = (
        each.text or ""
        for each in inside(element)
        if local(each) == "t" and local(each.getparent()) != "rPh"
    )
    # Excel writes characters that XML cannot as `_x000D_`.
    return _ESCAPE.sub("\n", "".join(runs))


@dataclass(slots=True)
class _Sheet:
    """A walk down the rows of one sheet."""

    draft: Draft
    book: _Book
    hidden: bool  # all of it
    names: Cells = field(default_factory=dict)  # of the table's columns
    held: list[Cells] | None = field(default_factory=list)  # a table's first rows; None: it is on
    beside: list[range] = field(default_factory=list)  # columns of each table in these rows
    grouped: bool = False  # whether a text in them stands above several columns
    last: int = -1  # the number of the row before
    unseen: list[range] = field(default_factory=list)  # hidden columns

    def write(self, data: bytes) -> None:
        merges = _Merges(data)
        number = -1
        # What follows the cells is never read: it may be longer than they are.
        for element in takewhile(_before_end, _each(data, "row", "col", "sheetData")):
            if local(element) == "col":
                if _invisible(element, "width"):
                    first, last = whole(element.get("min")), whole(element.get("max"))
                    self.unseen.append(range(first - 1, last))
                continue
            number = whole(element.get("r"), number + 2) - 1
            cells = merges.filled(number, self.cells(element))
            if seen := self.shown(cells, self.hidden or _invisible(element, "ht")):
                self.row(number, seen, merges)
        self.release()

    def cells(self, row: etree._Element) -> Cells:
        found: Cells = {}
        column = -1
        for cell in row:
            if local(cell) != "c":
                continue
            if next(self.book.cells) > _MOST_CELLS:
                raise Unreadable(f"too large: more than {_MOST_CELLS:,} cells")
            place = _CELL.fullmatch(cell.get("r", ""))
            column = _column(place.group(1)) if place else column + 1
            if text := " ".join(_value(cell, self.book).split()):
                found[column] = text
        return found

    def shown(self, cells: Cells, unseen: bool) -> Cells:
        """The cells that a reader sees; the others are kept apart."""
        secret = {
            column: text
            for column, text in cells.items()
            if unseen or any(column in columns for columns in self.unseen)
        }
        if secret:
            self.draft.hide("; ".join(secret.values()))
        return {column: text for column, text in cells.items() if column not in secret}

    def row(self, number: int, cells: Cells, merges: _Merges) -> None:
        if number > self.last + 1:
            self.release()
            self.held, self.grouped = [], False
        self.last = number
        if self.held is None:
            self.say(cells)
            return
        spread = merges.spread(number, cells)
        self.grouped |= len(spread) > len(cells)
        self.held.append(spread)
        if len(self.held) >= _LOOKED_AT:
            self.release()

    def release(self) -> None:
        """Write the first rows of what may be several tables, now that they show their headers."""
        rows, self.held = self.held or [], None
        if not rows:
            return
        if all(len(row) == 1 for row in rows) and len(rows) < _LOOKED_AT:
            self.captions(rows)
            return
        self.beside = _beside(rows, self.grouped)
        before, self.names = self.names, {}
        for columns in self.beside:
            self.begin([part for row in rows if (part := _within(row, columns))], before)

    def begin(self, rows: list[Cells], before: Cells) -> None:
        """Write a table's caption and first rows; `before` names the columns of the last one."""
        caption = next((index for index, row in enumerate(rows) if len(row) > 1), 0)
        self.captions(rows[:caption])
        rows = rows[caption:]
        header = _header(rows, self.grouped)
        if header:
            self.names |= _named(rows[:header])
        elif not caption and all(row.keys() <= before.keys() for row in rows):
            self.names |= before  # it goes on with the table above
        for row in rows[header:]:
            self.say(row)

    def captions(self, rows: list[Cells]) -> None:
        for row in rows:
            self.draft.add("paragraph", " ".join(row.values()))

    def say(self, row: Cells) -> None:
        for columns in self.beside:
            cells = _within(row, columns)
            text = next(iter(cells.values()), "")
            if len(cells) == 1 and len(text) > _LONGEST_NAME:
                self.draft.add("paragraph", text)
            elif cells:
                places = sorted(cells)
                named = [self.names.get(place, "") for place in places]
                self.draft.add("table", line(named, [cells[place] for place in places]))


def _within(row: Cells, columns: range) -> Cells:
    return {column: text for column, text in row.items() if column in columns}


def _beside(rows: list[Cells], grouped: bool) -> list[range]:
    """The columns of each table, where several stand side by side, each with its own header."""
    used = sorted({column for row in rows for column in row})
    edges = [at for at, before in zip(used[1:], used, strict=False) if at > before + 1]
    apart = [range(a, b) for a, b in pairwise([0, *edges, _MOST_COLUMNS])]
    parts = [[part for row in rows if (part := _within(row, columns))] for columns in apart]
    return apart if all(_header(part, grouped) for part in parts) else [range(_MOST_COLUMNS)]


def _before_end(element: etree._Element) -> bool:
    return local(element) != "sheetData"


def _invisible(element: etree._Element, size: str) -> bool:
    return true(element.get("hidden")) or element.get(size) == "0"


def _header(rows: list[Cells], grouped: bool) -> int:
    """How many of the first rows of a table name its columns; several where names are `grouped`
    under others."""
    if max(map(len, rows), default=0) < 2:
        return 0
    for depth in range(1, min(4 if grouped else 2, len(rows))):
        width = max(map(len, rows[depth - 1 :]))
        if names(list(_named(rows[:depth]).values()), width):
            return depth
        if len(set(rows[depth - 1].values())) == len(rows[depth - 1]):
            return depth if _cornered(rows[depth - 1 :]) else 0
    return 0


def _cornered(rows: list[Cells]) -> bool:
    """Whether the first row names all columns but the first, years for instance."""
    corner = min(column for row in rows for column in row)
    short = all(len(text) <= _LONGEST_NAME for text in rows[0].values())
    labelled = sum(row.get(corner, "")[:1].isalpha() for row in rows[1:])
    filled = len(rows[0]) > 1 and len(rows[0]) >= max(map(len, rows)) - 1
    apart = len(set(rows[0].values())) == len(rows[0])
    return corner not in rows[0] and short and filled and apart and labelled * 2 > len(rows)


def _named(header: list[Cells]) -> Cells:
    every = sorted({column for row in header for column in row})
    dense = [[row.get(column, "") for column in every] for row in header]
    return dict(zip(every, column_names(dense), strict=True))


class _Merges:
    """Merged cells: a text is repeated downwards always, sideways only where it may be a name."""

    def __init__(self, data: bytes) -> None:
        self._tall: dict[tuple[int, int], int] = {}  # the last row of each
        self._wide: dict[int, list[range]] = {}
        self._open: dict[int, tuple[int, str]] = {}
        for left, top, right, bottom in islice(
            _MERGE.findall(data, max(data.rfind(b"sheetData"), 0)), _MOST_MERGES
        ):
            row, column = int(top) - 1, _column(left.decode())
            last, end = int(bottom) - 1, _column(right.decode())
            if last > row:
                self._tall[row, column] = last
            if end > column:
                reach = min(end, column + _WIDEST_MERGE)
                self._wide.setdefault(row, []).append(range(column, reach + 1))

    def filled(self, number: int, cells: Cells) -> Cells:
        """A row with the texts that reach into it from above; an empty one stays so."""
        self._open = {c: tall for c, tall in self._open.items() if tall[0] >= number}
        above = {column: text for column, (_, text) in self._open.items()} if cells else {}
        for column, text in cells.items():
            last = self._tall.get((number, column))
            if last is not None and len(self._open) < _MOST_TALL:
                self._open[column] = (last, text)
        return above | cells

    def spread(self, number: int, cells: Cells) -> Cells:
        """A row with its texts repeated over the columns that they stand above."""
        out = dict(cells)
        for columns in self._wide.get(number, ()):
            text = cells.get(columns.start)
            if text is not None and len(cells) > 1:
                out |= dict.fromkeys(columns, text)
        return out


def _column(letters: str) -> int:
    """A column's letters as its number, counted from 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _value(cell: etree._Element, book: _Book) -> str:
    """What a cell shows."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _text(cell)
    value = next((child.text or "" for child in cell if local(child) == "v"), "")
    if kind == "s":
        index = whole(value, -1)
        return book.strings[index] if 0 <= index < len(book.strings) else ""
    if kind == "b":
        return "TRUE" if true(value) else "FALSE"
    if kind == "d":
        return value.removesuffix("T00:00:00")
    if kind != "n":
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    style = whole(cell.get("s"))
    code = book.codes[style] if 0 <= style < len(book.codes) else ""
    return numbers.shown(number, code, book.since_1904) if isfinite(number) else value
