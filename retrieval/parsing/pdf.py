"""PDF to blocks, by pdfium: text with its place and type on the page, handed to the layout.

It reads what is written as text; a scanned page holds none. Pages are counted from 1.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from retrieval.parsing.draft import Draft, Unreadable, proper
from retrieval.parsing.layout import Line, Page, write

_MOST_PAGES = 20_000
_MOST_CHARACTERS = 2_000_000  # of one page
_TAIL = 4096

# pdfium is not thread safe: one document at a time in the whole process.
_pdfium = threading.Lock()

_BOLD = re.compile(r"bold|black|heavy|semibold|demi|medi$|CMBX|SFBX|-?Bd\b", re.IGNORECASE)


def read(data: bytes) -> Draft:
    if b"%%EOF" not in data[-_TAIL:]:
        # pdfium would mend it and give a part of the document as if it were the whole.
        raise Unreadable("truncated: the end of the PDF is missing")
    draft = Draft()
    with _pdfium:
        draft.title, pages = _extract(data)
    draft.heading_first = True
    write(draft, pages)
    return draft


def _extract(data: bytes) -> tuple[str, list[Page]]:
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


def _page(document: pypdfium2.PdfDocument, index: int) -> Page:
    try:
        page = document[index]
    except pypdfium2.PdfiumError as error:
        raise Unreadable(f"damaged PDF: page {index + 1} cannot be read") from error
    try:
        text = page.get_textpage()
        try:
            lines = list(_lines(text.raw))
        finally:
            text.close()
        return Page(index + 1, page.get_height(), lines)
    finally:
        page.close()


def _lines(page: object) -> Iterator[Line]:
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
        units = len(line.encode("utf-16-le", "replace")) // 2
        if line.strip():
            first = at + len(line) - len(line.lstrip())
            yield _line(page, line, first, at + units - len(line) + len(line.rstrip()) - 1)
        at += units + 2


def _line(page: object, text: str, first: int, last: int) -> Line:
    """A line with the place and type that its first and last characters show."""
    middle = first + (last - first) // 2  # a line may begin with a bullet or a footnote's number
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
    return Line(
        text.strip().replace("\r", " ").replace("\n", " "),
        start.left,
        end.right if drop > 0.8 * size else max(start.left, end.right),
        start.top,
        start.bottom,
        size,
        _bold(page, middle) and _bold(page, last),
        abs(matrix.b) <= abs(matrix.a),
        drop if 0.8 * size < drop < 3 * size else 0.0,
    )


def _index(page: object, at: int) -> int:
    """A place in the page's text as the place of a character on the page."""
    return max(int(pdfium.FPDFText_GetCharIndexFromTextIndex(page, at)), 0)


def _bold(page: object, index: int) -> bool:
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(page, index, name, 128, flags)
    return _BOLD.search(name.value.decode("latin-1")) is not None
