"""PDF to blocks, by pdfium: text with its place and type on the page, handed to the layout.

It reads what is written as text; a scanned page holds none. Pages are counted from 1.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from retrieval.parsing.draft import Draft, Unreadable, proper
from retrieval.parsing.layout import write
from retrieval.parsing.page import Cell, Line, Page
from retrieval.parsing.paint import Box, Paint, address, unseen

_MOST_PAGES = 20_000
_MOST_CHARACTERS = 2_000_000  # of one page
_TAIL = 4096
_MOST_SOUGHT = 1 << 29  # bytes, about a second
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_LENGTH = re.compile(rb"/Length\s+(\d{1,10})(\s+\d+\s+R)?")
_NUMBER = re.compile(rb"(\d{1,10}) \d{1,5} obj\s+(\d{1,10})\s+endobj")
_DICTIONARY = 1000  # bytes before a stream, which hold what is said of it
_SMALLEST = 1.5  # points, below which nobody reads
_SCANNED = 10  # times as much invisible text as visible: the picture of a page, and its text

# pdfium is not thread safe: one document at a time in the whole process.
_pdfium = threading.Lock()

_WIDE = 0.58
"""Of the type's size a character, above which a line is looked at for gaps: prose is at 0.5."""
_GAP = 1.0  # of the type's size, between words of different cells; a space is 0.3, justified 0.6
_WORD = re.compile(r"\S+")

_BOLD = re.compile(r"bold|black|heavy|semibold|demi|medi$|CMBX|SFBX|-?Bd\b", re.IGNORECASE)


def read(data: bytes) -> Draft:
    if b"%%EOF" not in data[-_TAIL:]:
        # pdfium would mend it and give a part of the document as if it were the whole.
        raise Unreadable("truncated: the end of the PDF is missing")
    if _sought(data) > _MOST_SOUGHT:
        raise Unreadable("damaged PDF: its streams do not end where they should")
    draft = Draft()
    with _pdfium:
        draft.title, pages = _extract(data)
    draft.heading_first = True
    write(draft, [page for page, _ in pages])
    for _, hidden in pages:
        draft.hide(hidden)
    return draft


def _sought(data: bytes) -> int:
    """How many bytes pdfium may read in search of the ends of streams: where one does not end at
    its length, the whole file, and that for each of them."""
    elsewhere = _Numbers(data)
    wrong = 0
    for stream in _STREAM.finditer(data):
        said = _LENGTH.findall(data, max(0, stream.start() - _DICTIONARY), stream.start())
        number, refers = said[-1] if said else (b"0", b"")
        length = elsewhere.value.get(number, 0) if refers else int(number)
        end = data[stream.end() + length : stream.end() + length + 16]
        wrong += not end.lstrip().startswith(b"endstream")
    return wrong * len(data)


class _Numbers:
    """The objects of a PDF that are a number each, sought when the first is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def value(self) -> dict[bytes, int]:
        return {name: int(number) for name, number in _NUMBER.findall(self._data)}


def _extract(data: bytes) -> tuple[str, list[tuple[Page, str]]]:
    """Title and pages, with every handle closed before the lock is given back."""
    document = _opened(data)
    try:
        if len(document) > _MOST_PAGES:
            raise Unreadable(f"too large: {len(document):,} pages")
        title = document.get_metadata_value("Title") or ""
        pages = [_page(document, index) for index in range(len(document))]
    finally:
        document.close()
    return proper(title), pages


def _opened(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Unreadable("encrypted: it needs a password") from error
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise Unreadable("encrypted: by a method that cannot be read") from error
        raise Unreadable(f"damaged PDF: {error}") from error


def _page(document: pypdfium2.PdfDocument, index: int) -> tuple[Page, str]:
    """A page's lines, and what on it is not seen."""
    try:
        page = document[index]
    except pypdfium2.PdfiumError as error:
        raise Unreadable(f"damaged PDF: page {index + 1} cannot be read") from error
    try:
        text = page.get_textpage()
        try:
            area = page.get_bbox()
            lines, hidden = _seen(text.raw, unseen(page.raw, area), area)
        finally:
            text.close()
        return Page(index + 1, page.get_height(), lines), hidden
    finally:
        page.close()


def _seen(page: object, paint: Paint, area: Box) -> tuple[list[Line], str]:
    """The lines that a reader sees, and the text that he does not."""
    runs = list(_runs(page, paint))
    invisible = sum(len(run.text) for run in runs if run.paint == "invisible")
    visible = sum(len(run.text) for run in runs if not run.paint)
    scanned = paint.pictured and visible * _SCANNED < invisible
    lines: list[Line] = []
    hidden: list[str] = []
    for run in runs:
        shown = not run.paint or (run.paint == "invisible" and scanned)
        line = _line(page, run.text, run.first, run.last) if shown else None
        if line is not None and _large(line) and _within(line, area):
            lines.append(line)
        else:
            hidden.append(run.text.strip())
    return lines, " ".join(hidden)


def _large(line: Line) -> bool:
    """Whether a line can be read at all; what a form scales shows in its place, not in its size."""
    return max(line.size, line.top - line.bottom) >= _SMALLEST


def _within(line: Line, area: Box) -> bool:
    """Whether any of a line is on the page."""
    across = line.right >= area[0] - 1 and line.left <= area[2] + 1
    return across and line.top >= area[1] - 1 and line.bottom - line.drop <= area[3] + 1


@dataclass(frozen=True, slots=True)
class _Run:
    """A line of text, or a part of it that is painted alike: places in the page's text."""

    text: str
    first: int
    last: int
    paint: str  # "" where it is seen


def _runs(page: object, paint: Paint) -> Iterator[_Run]:
    """The lines of a page. Few calls a line: each gives the interpreter away and back."""
    count = pdfium.FPDFText_CountChars(page)
    if count <= 0:
        return
    if count > _MOST_CHARACTERS:
        raise Unreadable(f"too large: a page of {count:,} characters")
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(page, 0, count, buffer)
    text = bytes(buffer)[: max(written - 1, 0) * 2].decode("utf-16-le", "replace")
    at = 0
    for line in text.split("\r\n"):
        for part, kind in _parts(page, line, at, paint) if paint else [(line, "")]:
            units = len(part.encode("utf-16-le", "replace")) // 2
            if part.strip():
                first = at + len(part) - len(part.lstrip())
                last = at + units - len(part) + len(part.rstrip()) - 1
                yield _Run(part, first, last, kind)
            at += units
        at += 2


def _parts(page: object, line: str, at: int, paint: Paint) -> Iterator[tuple[str, str]]:
    """A line in parts that are painted alike."""
    begun, kind = 0, ""
    for place, character in enumerate(line):
        if not character.isspace():
            thing = address(pdfium.FPDFText_GetTextObject(page, _index(page, at)))
            now = "invisible" if thing in paint.invisible else "pale" if thing in paint.pale else ""
            if now != kind:
                if line[begun:place].strip():
                    yield line[begun:place], kind
                    begun = place
                kind = now
        at += 1 + (ord(character) > 0xFFFF)
    yield line[begun:], kind


def _line(page: object, text: str, first: int, last: int) -> Line:
    """A line with the place and type that its first and last characters show."""
    text, begun = text.strip(), first
    # A line may begin with a bullet or a footnote's number; a space may have no type of its own.
    middle = first + _middle(text)
    first, middle, last = (_index(page, index) for index in (first, middle, last))
    start, end = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(page, first, start)
    pdfium.FPDFText_GetLooseCharBox(page, last, end)
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(page, middle, matrix)
    scale = (matrix.c**2 + matrix.d**2) ** 0.5
    size = pdfium.FPDFText_GetFontSize(page, middle) * (scale or 1.0)
    if not 0.5 < size < 2000:
        size = max(start.top - start.bottom, 1.0)
    drop = start.top - end.top
    upright = abs(matrix.b) <= abs(matrix.a)
    wide = upright and end.right - start.left > _WIDE * size * len(text)
    text = text.replace("\r", " ").replace("\n", " ")
    return Line(
        text.strip(),
        start.left,
        end.right if drop > 0.8 * size else max(start.left, end.right),
        start.top,
        start.bottom,
        size,
        _bold(page, middle) and _bold(page, last),
        upright,
        drop if 0.8 * size < drop < 3 * size else 0.0,
        _cells(page, text, begun, size) if wide else (),
    )


def _cells(page: object, text: str, first: int, size: float) -> tuple[Cell, ...]:
    """The parts of a line between wide gaps; none where it is one part."""
    cells: list[Cell] = []
    box = pdfium.FS_RECTF()

    def place(at: int) -> tuple[float, float]:
        units = len(text[:at].encode("utf-16-le", "replace")) // 2
        pdfium.FPDFText_GetLooseCharBox(page, _index(page, first + units), box)
        return box.left, box.right

    for word in _WORD.finditer(text):
        left, right = place(word.start())[0], place(word.end() - 1)[1]
        if cells and cells[-1].left <= left <= cells[-1].right + _GAP * size:
            joined = f"{cells[-1].text} {word[0]}"
            cells[-1] = Cell(joined, cells[-1].left, right)
        else:
            cells.append(Cell(word[0], left, right))
    return tuple(cells) if len(cells) > 1 else ()


def _middle(text: str) -> int:
    """The place of a character in the middle that is no space."""
    middle = len(text) // 2
    return next(at for at in range(middle, -1, -1) if not text[at].isspace())


def _index(page: object, at: int) -> int:
    """A place in the page's text as the place of a character on the page."""
    return max(int(pdfium.FPDFText_GetCharIndexFromTextIndex(page, at)), 0)


def _bold(page: object, index: int) -> bool:
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(page, index, name, 128, flags)
    return _BOLD.search(name.value.decode("latin-1")) is not None
