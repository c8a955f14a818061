"""PPTX to blocks: a heading for each slide, with its number as the page, then what it says.

The shapes of a slide are read from the top down and from left to right, those of a group together;
speaker notes follow the slide. Hidden slides, hidden shapes and what stands beside the slide are
kept apart; comments, headers, footers, slide numbers and pictures are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from lxml.etree import _Element  # type: ignore[import-untyped]

from retrieval.parsing import numbers
from retrieval.parsing.draft import Draft, Unreadable, proper
from retrieval.parsing.office import (
    Package,
    chosen,
    inside,
    local,
    reference,
    true,
    whole,
)
from retrieval.parsing.tables import lines

_TITLES = frozenset({"title", "ctrTitle"})
_AROUND = frozenset({"ftr", "hdr", "dt", "sldNum"})
_BODY_IN_MASTER = {"ctrTitle": "title", "subTitle": "body", "obj": "body"}
_BULLETS = frozenset({"buChar", "buAutoNum", "buBlip"})
_LONGEST_CELL = 2_000
_MOST_TITLES = 20  # of a slide, the first of which with a text is its title
_MOST_SHAPES = 50_000  # of a slide, or of a group
_MOST_SERIES = 100  # of a chart
_MOST_POINTS = 2_000  # of one series
_NOWHERE = 1 << 60  # a height below all
_BAND = 1 / 20  # of the slide's height: shapes that begin so close stand side by side


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a shape stands, in the units of what it stands in."""

    left: int
    top: int
    right: int
    bottom: int


Place = tuple[str, int]
"""The kind and the number of a placeholder."""


class _Shared:
    """A layout or a master, whose placeholders those of slides take after."""

    def __init__(self, part: str, tree: _Element) -> None:
        self.part = part
        self.tree = tree
        self._places: dict[Place, _Element] = {}
        self._indices: dict[int, _Element] = {}
        self._kinds: dict[str, _Element] = {}
        for shape in tree.iter("{*}sp"):
            if place := _placeholder(shape):
                self._places.setdefault(place, shape)
                self._kinds.setdefault(place[0], shape)
                if place[1]:
                    self._indices.setdefault(place[1], shape)

    def like(self, place: Place) -> _Element | None:
        """The placeholder that one in this place takes after."""
        kind, index = place
        for found in (
            self._places.get(place),
            self._indices.get(index),
            self._kinds.get(kind),
            self._kinds.get(_BODY_IN_MASTER.get(kind, "")),
        ):
            if found is not None:
                return found
        return None


def read(data: bytes) -> Draft:
    package = Package(data, "PPTX")
    main = package.main()
    presentation = package.tree(main)
    related = package.related(main)
    size = presentation.find("{*}sldSz")
    extent = _Box(0, 0, 0, 0)
    if size is not None:
        extent = _Box(0, 0, whole(size.get("cx")), whole(size.get("cy")))
    draft = Draft()
    draft.title = proper(package.title())
    draft.heading_first = True
    reader = _Reader(package, draft, extent)
    for page, entry in enumerate(presentation.iterfind("{*}sldIdLst/{*}sldId"), 1):
        relation = related.get(reference(entry))
        if relation is not None:
            reader.slide(relation.part, page)
    return draft


class _Reader:
    """A walk over the slides."""

    def __init__(self, package: Package, draft: Draft, extent: _Box) -> None:
        self._package = package
        self._draft = draft
        self._extent = extent
        self._level = 1
        self._shared: dict[str, _Shared] = {}
        self._read: set[str] = set()  # parts, each of which is read once

    def slide(self, part: str, page: int) -> None:
        if part not in self._package or not self._once(part):
            return
        tree = self._package.tree(part)
        layout = self._above(part, "slideLayout")
        master = self._above(layout.part, "slideMaster") if layout else None
        above = tuple(each for each in (layout, master) if each)
        written = Draft()
        slide = _Slide(self._package, self._once, written, part, page, above, self._extent)
        title, opening = slide.write(tree)
        notes = list(self._notes(part))
        if not true(tree.get("show"), default=True):
            for text in (title, written.text, *notes):
                self._draft.hide(text)
            return
        if not title and not written.size and not notes:
            return
        section = layout is not None and layout.tree.get("type") == "secHead"
        if page == 1 and opening:
            self._draft.add("heading", title, 1, page)
            self._level = 2
        elif section:
            self._draft.add("heading", title or f"Slide {page}", min(self._level, 2), page)
            self._level = min(self._level, 2) + 1
        else:
            self._draft.add("heading", title or f"Slide {page}", self._level, page)
        self._draft.append(written)
        for index, text in enumerate(notes):
            self._draft.add("paragraph", text if index else f"Notes: {text}", page=page)

    def _once(self, part: str) -> bool:
        """Whether a part is named for the first time: else a small file could go on for ever."""
        first = part not in self._read
        self._read.add(part)
        return first

    def _above(self, part: str, kind: str) -> _Shared | None:
        """The layout of a slide, or the master of a layout."""
        for relation in self._package.related(part).values():
            if relation.kind == kind and relation.part in self._package:
                if relation.part not in self._shared:
                    tree = self._package.tree(relation.part)
                    self._shared[relation.part] = _Shared(relation.part, tree)
                return self._shared[relation.part]
        return None

    def _notes(self, part: str) -> Iterator[str]:
        for relation in self._package.related(part).values():
            known = relation.kind == "notesSlide" and relation.part in self._package
            if known and self._once(relation.part):
                for shape in self._package.tree(relation.part).iter("{*}sp"):
                    if _kind(shape) == "body":
                        yield from filter(None, map(_text, shape.iterfind("{*}txBody/{*}p")))


@dataclass(slots=True)
class _Slide:
    """A walk over the shapes of one slide."""

    package: Package
    once: Callable[[str], bool]
    draft: Draft
    part: str
    page: int
    above: tuple[_Shared, ...]  # layout and master
    extent: _Box
    title: _Element | None = None  # which stands above all others, wherever it is placed

    def write(self, tree: _Element) -> tuple[str, bool]:
        """Write what stands below the title; the title, and whether it opens a presentation."""
        shapes = tree.find("{*}cSld/{*}spTree")
        if shapes is None:
            return "", False
        titles = (
            shape
            for shape in shapes.iter("{*}sp")
            if _kind(shape) in _TITLES and not _unseen(shape)
        )
        said = ((shape, _joined(shape)) for shape in islice(titles, _MOST_TITLES))
        self.title, title = next((pair for pair in said if pair[1]), (None, ""))
        self.shapes(shapes)
        return title, self.title is not None and _kind(self.title) == "ctrTitle"

    def shapes(self, group: _Element, top: bool = True) -> None:
        """The shapes of a slide or of a group in the order in which they are read."""
        placed = [(self.box(shape), shape) for shape in chosen(group)]
        if len(placed) > _MOST_SHAPES:
            raise Unreadable(f"too large: a slide of more than {_MOST_SHAPES:,} shapes")
        boxes = [box for box, _ in placed if box]
        height = self.extent.bottom
        if not top and boxes:
            height = max(box.bottom for box in boxes) - min(box.top for box in boxes)
        for box, shape in _ordered(placed, height * _BAND):
            if _unseen(shape) or (top and box and self.beside(box)):
                self.draft.hide("\n".join(_paragraphs(shape)))
            else:
                self.shape(shape)

    def beside(self, box: _Box) -> bool:
        """Whether a shape stands where no slide is."""
        wide, high = self.extent.right, self.extent.bottom
        if not wide or not high:
            return False
        return box.right <= 0 or box.bottom <= 0 or box.left >= wide or box.top >= high

    def shape(self, shape: _Element) -> None:
        name = local(shape)
        if name == "grpSp":
            self.shapes(shape, top=False)
        elif name == "graphicFrame":
            self.graphic(shape)
        elif name == "sp" and shape is not self.title and _kind(shape) not in _AROUND:
            self.words(shape)

    def words(self, shape: _Element) -> None:
        """A shape's paragraphs, as the list that they are where they have bullets."""
        styles = self.styles(shape)
        counted: Counter[int] = Counter()
        for paragraph in shape.iterfind("{*}txBody/{*}p"):
            text = _text(paragraph)
            if not text:
                continue
            properties = paragraph.find("{*}pPr")
            level = 0 if properties is None else min(whole(properties.get("lvl")), 8)
            bullet = _bullet(properties, level, styles)
            for deeper in [each for each in counted if each > level or bullet is None]:
                del counted[deeper]
            if bullet is None:
                self.draft.add("paragraph", text, page=self.page)
                continue
            counted[level] += 1
            number = local(bullet) == "buAutoNum"
            first = whole(bullet.get("startAt"), 1) if number else 1
            marker = f"{first + counted[level] - 1}. " if number else "- "
            self.draft.add("list", "  " * level + marker + text, page=self.page)

    def graphic(self, frame: _Element) -> None:
        """A table, a chart or a diagram."""
        data = frame.find("{*}graphic/{*}graphicData")
        for child in () if data is None else data:
            name = local(child)
            if name == "tbl":
                self.table(child)
            elif name == "chart" and (part := self.relation(child, "id")):
                for row in _chart(self.package.tree(part)):
                    self.draft.add("table", row, page=self.page)
            elif name == "relIds" and (part := self.relation(child, "dm")):
                for text in _diagram(self.package.tree(part)):
                    self.draft.add("paragraph", text, page=self.page)

    def table(self, table: _Element) -> None:
        rows = [list(row.iterfind("{*}tc")) for row in table.iterfind("{*}tr")]
        texts = [[_joined(cell) for cell in row] for row in rows]
        if any(len(text) > _LONGEST_CELL for row in texts for text in row):  # it lays out text
            for cell in chain.from_iterable(rows):
                for text in _paragraphs(cell):
                    self.draft.add("paragraph", text, page=self.page)
            return
        properties = table.find("{*}tblPr")
        headed = properties is not None and true(properties.get("firstRow"))
        grid = _grid(rows, texts, headed)
        spans = headed and any(true(cell.get("hMerge")) for cell in rows[0]) if rows else False
        for said in lines(grid, 1 if spans else None):
            self.draft.add("table", said, page=self.page)

    def relation(self, element: _Element, name: str) -> str:
        """The part that an element names; empty where there is none."""
        found = self.package.related(self.part).get(reference(element, name))
        known = found is not None and found.part in self.package and self.once(found.part)
        return found.part if found is not None and known else ""

    def inherited(self, shape: _Element) -> list[_Element]:
        """The shapes of layout and master that a placeholder takes after."""
        place = _placeholder(shape)
        found = [shared.like(place) for shared in self.above] if place else []
        return [each for each in found if each is not None]

    def box(self, shape: _Element) -> _Box | None:
        for each in (shape, *self.inherited(shape)):
            form = each.find("{*}xfrm")
            form = each.find("*/{*}xfrm") if form is None else form
            at = None if form is None else form.find("{*}off")
            size = None if form is None else form.find("{*}ext")
            if at is not None and size is not None:
                left, top = whole(at.get("x")), whole(at.get("y"))
                return _Box(left, top, left + whole(size.get("cx")), top + whole(size.get("cy")))
        return None

    def styles(self, shape: _Element) -> list[_Element]:
        """What says how the paragraphs of a shape look, nearest first."""
        found = [each.find("{*}txBody/{*}lstStyle") for each in (shape, *self.inherited(shape))]
        place = _placeholder(shape)
        if self.above and place is not None and place[0] not in _TITLES:
            found.append(self.above[-1].tree.find("{*}txStyles/{*}bodyStyle"))
        return [each for each in found if each is not None]


def _grid(rows: list[list[_Element]], texts: list[list[str]], headed: bool) -> list[list[str]]:
    """Rows with merged cells filled: downwards always, sideways only in the header."""
    grid: list[list[str]] = []
    for row, said in zip(rows, texts, strict=True):
        out: list[str] = []
        for cell, text in zip(row, said, strict=True):
            if true(cell.get("vMerge")) and grid and len(out) < len(grid[-1]):
                text = grid[-1][len(out)]
            elif true(cell.get("hMerge")) and not grid and out and headed:
                text = out[-1]
            out.append(text)
        grid.append(out)
    return grid


def _ordered(
    placed: Iterable[tuple[_Box | None, _Element]], close: float
) -> list[tuple[_Box | None, _Element]]:
    """From the top down, and from left to right where shapes begin at about the same height."""
    found = sorted(placed, key=lambda pair: pair[0].top if pair[0] else _NOWHERE)
    bands: list[list[tuple[_Box | None, _Element]]] = []
    start = -_NOWHERE
    for box, shape in found:
        top = box.top if box else _NOWHERE
        if not bands or top > start + close:
            start = top
            bands.append([])
        bands[-1].append((box, shape))
    return [pair for band in bands for pair in sorted(band, key=lambda p: p[0].left if p[0] else 0)]


def _placeholder(shape: _Element) -> Place | None:
    """The place of a placeholder; None where a shape is none."""
    mark = shape.find("*/{*}nvPr/{*}ph")
    return None if mark is None else (mark.get("type", "obj"), whole(mark.get("idx")))


def _kind(shape: _Element) -> str:
    """The kind of a placeholder; empty where a shape is none."""
    return (_placeholder(shape) or ("", 0))[0]


def _unseen(shape: _Element) -> bool:
    mark = shape.find("*/{*}cNvPr")
    return mark is not None and true(mark.get("hidden"))


def _bullet(own: _Element | None, level: int, styles: Iterable[_Element]) -> _Element | None:
    """What stands in front of a paragraph, said by it or by the nearest thing that it follows."""
    path = f"{{*}}lvl{level + 1}pPr"
    said = [own, *(style.find(path) for style in styles)]
    for properties in said:
        for child in () if properties is None else properties:
            name = local(child)
            if name == "buNone" or name in _BULLETS:
                return child if name in _BULLETS else None
    return None


def _text(paragraph: _Element) -> str:
    """The text of a paragraph; the number of its slide is none of it."""
    pieces: list[str] = []
    for element in inside(paragraph):
        name = local(element)
        if name == "t":
            field = element.getparent()
            numbered = local(field) == "fld" and field.get("type") == "slidenum"
            pieces.append("" if numbered else element.text or "")
        elif name == "br":
            pieces.append("\n")
    lines_ = (" ".join(part.split()) for part in "".join(pieces).replace("\v", "\n").split("\n"))
    return "\n".join(filter(None, lines_))


def _paragraphs(shape: _Element) -> list[str]:
    """All texts in a shape, whatever it is."""
    found: list[str] = []
    todo = [shape]
    while todo:
        element = todo.pop()
        if local(element) != "p":
            todo.extend(reversed(list(chosen(element))))
        elif text := _text(element):
            found.append(text)
    return found


def _joined(shape: _Element) -> str:
    return " ".join(" ".join(_paragraphs(shape)).split())


def _chart(tree: _Element) -> Iterator[str]:
    """A chart's title, and a line for each of its categories."""
    title = tree.find("{*}chart/{*}title")
    if title is not None and (text := _joined(title)):
        yield text
    series = list(islice(tree.iter("{*}ser"), _MOST_SERIES))
    rows: dict[int, list[str]] = {}
    names = [""]
    for at, one in enumerate(series, 1):
        names.append(
            "".join(v.text or "" for v in islice(one.iterfind("{*}tx//{*}v"), _MOST_SERIES))
        )
        for column, kinds in ((0, ("cat", "xVal")), (at, ("val", "yVal"))):
            for kind in kinds:
                for index, text in _points(one.find(f"{{*}}{kind}")):
                    row = rows.setdefault(index, [""] * (len(series) + 1))
                    row[column] = text
    yield from lines([names, *(rows[index] for index in sorted(rows))], 1)


def _points(values: _Element | None) -> Iterator[tuple[int, str]]:
    """The points that a chart remembers of a series, as they are shown."""
    if values is None:
        return
    code = next((each.text or "" for each in values.iter("{*}formatCode")), "")
    for point in islice(values.iter("{*}pt"), _MOST_POINTS):
        index, text = whole(point.get("idx")), point.findtext("{*}v") or ""
        if not 0 <= index < _MOST_POINTS:
            continue
        try:
            number = float(text)
        except ValueError:
            yield index, text
        else:
            yield index, numbers.shown(number, code) if abs(number) < 1e300 else text


def _diagram(tree: _Element) -> Iterator[str]:
    """The texts of a diagram's points."""
    for point in tree.iterfind("{*}ptLst/{*}pt"):
        if point.get("type", "node") in ("node", "asst") and (text := _joined(point)):
            yield text
