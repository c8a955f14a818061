"""What of a PDF page's text is painted so that nobody sees it: invisible, or white on white.

It looks at the objects that a page is painted with, once each. It does not know what is painted
over a text, or patterns, soft masks and blending. Text that is invisible above the picture of a
page is what was recognised in a scan, and counts as seen.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

_MOST_OBJECTS = 50_000  # of a page: a drawing of more is not looked at
_DEEPEST = 4  # forms within forms
_PALE = 243  # of 255, in each colour
_PICTURE = 0.5  # of a page's area, from which on an image is its picture
_INVISIBLE = frozenset(
    {pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP}
)  # fmt: skip
_FILLED = pdfium.FPDF_TEXTRENDERMODE_FILL
_TEXT, _PATH, _IMAGE = pdfium.FPDF_PAGEOBJ_TEXT, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE
_SHADING, _FORM = pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_FORM

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(slots=True)
class Paint:
    """The text objects of a page that leave no mark, by address."""

    invisible: set[int] = field(default_factory=set)
    pale: set[int] = field(default_factory=set)
    pictured: bool = False  # whether an image covers most of the page

    def __bool__(self) -> bool:
        return bool(self.invisible or self.pale)


def unseen(page: object, area: Box) -> Paint:
    """What is not seen on a page of this area."""
    paint = Paint()
    pale: list[tuple[object, int]] = []
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))  # for all: a page has thousands
    for thing, kind, within in _objects(page):
        if kind != _TEXT:
            continue
        mode = pdfium.FPDFTextObj_GetTextRenderMode(thing)
        if mode in _INVISIBLE:
            paint.invisible.add(address(thing))
        elif mode == _FILLED and pdfium.FPDFPageObj_GetFillColor(thing, red, green, blue, alpha):
            if not alpha.value:
                paint.pale.add(address(thing))
            elif red.value >= _PALE and green.value >= _PALE and blue.value >= _PALE:
                pale.append((thing, within))
    if paint.invisible:
        paint.pictured = _covered(page, area) >= _PICTURE
    if pale:
        grounds = list(_grounds(page))
        paint.pale |= {
            address(thing)
            for thing, within in pale
            if not any(_under(_bounds(thing), within, *ground) for ground in grounds)
        }
    return paint


def address(thing: object) -> int:
    """What tells one object of a page from another; 0 for none."""
    return ctypes.cast(thing, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def _objects(page: object) -> Iterator[tuple[object, int, int]]:
    """The objects of a page and of its forms: each with its kind and the address of its form."""
    kind_of, get = pdfium.FPDFPageObj_GetType, pdfium.FPDFPage_GetObject
    count = pdfium.FPDFPage_CountObjects(page)
    left = _MOST_OBJECTS - count
    for index in range(count if left >= 0 else 0):
        thing = get(page, index)
        kind = kind_of(thing)
        yield thing, kind, 0
        if kind == _FORM:
            for found in _inside(thing, address(thing), left):
                left -= 1
                yield found


def _inside(form: object, name: int, left: int) -> Iterator[tuple[object, int, int]]:
    """The objects of a form and of the forms in it."""
    todo = [(form, 0)]
    while todo:
        holder, depth = todo.pop()
        for index in range(pdfium.FPDFFormObj_CountObjects(holder)):
            left -= 1
            if left < 0:
                return
            thing = pdfium.FPDFFormObj_GetObject(holder, index)
            kind = pdfium.FPDFPageObj_GetType(thing)
            yield thing, kind, name
            if kind == _FORM and depth < _DEEPEST:
                todo.append((thing, depth + 1))


def _fill(thing: object) -> tuple[int, int, int, int] | None:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFPageObj_GetFillColor(thing, red, green, blue, alpha):
        return None
    return red.value, green.value, blue.value, alpha.value


def _bounds(thing: object) -> Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(thing, left, bottom, right, top)
    return left.value, bottom.value, right.value, top.value


def _grounds(page: object) -> Iterator[tuple[Box, int]]:
    """What is painted in another colour than white, and the form that it belongs to."""
    for thing, kind, within in _objects(page):
        if kind in (_IMAGE, _SHADING) or (kind == _PATH and _painted(thing)):
            yield _bounds(thing), within


def _painted(path: object) -> bool:
    """Whether a path is a coloured surface: filled, or a line as thick as it is high."""
    fill, stroke, width = ctypes.c_int(), ctypes.c_int(), ctypes.c_float()
    pdfium.FPDFPath_GetDrawMode(path, fill, stroke)
    if fill.value:
        colour = _fill(path)  # None of a pattern
        return colour is None or (colour[3] > 0 and min(colour[:3]) < _PALE)
    pdfium.FPDFPageObj_GetStrokeWidth(path, width)
    left, bottom, right, top = _bounds(path)
    return bool(stroke.value) and width.value * 2 >= min(right - left, top - bottom)


def _under(text: Box, form: int, ground: Box, other: int) -> bool:
    """Whether a ground lies under a text; boxes of different forms cannot be compared."""
    if form != other:
        return True
    x, y = (text[0] + text[2]) / 2, (text[1] + text[3]) / 2
    return ground[0] <= x <= ground[2] and ground[1] <= y <= ground[3]


def _covered(page: object, area: Box) -> float:
    """The share of a page that images cover."""
    whole = (area[2] - area[0]) * (area[3] - area[1])
    covered = 0.0
    for thing, kind, within in _objects(page):
        if kind == _IMAGE:
            box = _bounds(thing) if not within else area  # a form has a scale of its own
            width = min(box[2], area[2]) - max(box[0], area[0])
            height = min(box[3], area[3]) - max(box[1], area[1])
            covered += max(width, 0.0) * max(height, 0.0)
    return covered / whole if whole > 0 else 0.0
