"""DOCX to blocks: headings by style, lists, tables, text boxes and notes, in document order.

Deleted text, comments, page headers and footers and the table of contents (a copy of the headings)
are dropped; hidden text, and text in white or of a size that nobody reads, is kept apart. It knows
the numbers of list items, not those of headings, and no pages: they exist only once Word has laid
the document out.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from retrieval.parsing.draft import Draft, Unreadable, proper
from retrieval.parsing.tables import lines
from retrieval.parsing.zipped import Zipped

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from lxml.etree import _Element  # type: ignore[import-untyped]

_LONGEST_CELL = 2_000
_LARGEST_GRID = 2_000_000  # cells, with their spans filled
_TINY = 3  # half points
_PALE = re.compile(r"[Ff][3-9A-Fa-f](?:[Ff][3-9A-Fa-f]){2}")

_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_RUN, _RUN_PROPERTIES = qn("w:r"), qn("w:rPr")
_BOX, _FALLBACK = qn("w:txbxContent"), _MC + "Fallback"
_GONE = frozenset({qn("w:del"), qn("w:moveFrom"), _FALLBACK, qn("w:pPr"), qn("w:rPr"), _BOX})
_TEXTS = frozenset({qn("w:t"), _MATH_TEXT})
_MARKS = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
}


def read(data: bytes) -> Draft:
    package = Zipped(data, "DOCX")
    package.check()
    try:
        document = docx.Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        # The ISO dialect, whose names are all others.
        if b"purl.oclc.org" in package.read("_rels/.rels"):
            raise Unreadable("wrong type: Strict Open XML; save it as a plain DOCX") from error
        raise Unreadable(f"wrong type: a ZIP archive, but not a DOCX ({error})") from error
    draft = Draft()
    reader = _Reader(draft, document)
    reader.blocks(document.element.body)
    reader.notes()
    draft.heading_first = not draft.title
    draft.title = draft.title or proper(str(document.core_properties.title or ""))
    return draft


class _Styles:
    """What a paragraph's style makes of it, followed through the styles that it is based on."""

    def __init__(self, document: WordDocument) -> None:
        styles = document.styles.element.iter(qn("w:style"))
        self._styles = {style.get(qn("w:styleId")): style for style in styles}
        self._names: dict[str, list[str]] = {}

    def chain(self, paragraph: _Element) -> list[_Element]:
        """The paragraph's properties, then those of its styles, nearest first."""
        own = paragraph.find(qn("w:pPr"))
        found = [] if own is None else [own]
        for style in self._line(_value(own, "w:pStyle")):
            properties = style.find(qn("w:pPr"))
            if properties is not None:
                found.append(properties)
        return found

    def names(self, paragraph: _Element) -> list[str]:
        """The names of the paragraph's style and of its parents, in lower case."""
        style = _value(paragraph.find(qn("w:pPr")), "w:pStyle")
        if style not in self._names:
            names = (_value(s, "w:name") for s in self._line(style))
            self._names[style] = [name.lower() for name in names]
        return self._names[style]

    def characters(self, style: str) -> list[_Element]:
        """What a style says of the characters, nearest first."""
        found = (each.find(_RUN_PROPERTIES) for each in self._line(style))
        return [properties for properties in found if properties is not None]

    def _line(self, style: str) -> Iterator[_Element]:
        for _ in range(12):
            found = self._styles.get(style)
            if found is None:
                return
            yield found
            style = _value(found, "w:basedOn")


class _Numbers:
    """The markers of list items: bullets, or numbers counted as Word would."""

    def __init__(self, document: WordDocument) -> None:
        self._formats: dict[tuple[str, str], str] = {}
        self._counted: Counter[tuple[str, int]] = Counter()
        try:
            numbering = document.part.numbering_part.element
        except (KeyError, NotImplementedError):  # most documents have no lists
            return
        abstract = {
            a.get(qn("w:abstractNumId")): {
                level.get(qn("w:ilvl")): _value(level, "w:numFmt") for level in a.iter(qn("w:lvl"))
            }
            for a in numbering.iter(qn("w:abstractNum"))
        }
        for number in numbering.iter(qn("w:num")):
            levels = abstract.get(_value(number, "w:abstractNumId"), {})
            for level, form in levels.items():
                self._formats[number.get(qn("w:numId"), ""), level or "0"] = form

    def marker(self, number: str, level: int) -> str:
        form = self._formats.get((number, str(level)), "bullet")
        indent = "  " * min(level, 8)
        if form in ("bullet", "none", ""):
            return indent + "- "
        self._counted[number, level] += 1
        for deeper in range(level + 1, 9):
            self._counted.pop((number, deeper), None)
        count = self._counted[number, level]
        letters = form in ("lowerLetter", "upperLetter") and count <= 26
        shown = chr((96 if form == "lowerLetter" else 64) + count) if letters else str(count)
        return f"{indent}{shown}. "


class _Ink:
    """Tells the text that is seen; what is not goes where the draft keeps it apart."""

    def __init__(self, draft: Draft, styles: _Styles, document: WordDocument) -> None:
        self._draft = draft
        self._styles = styles
        self._coloured = document.element.find(qn("w:background")) is not None

    def text(self, paragraph: _Element) -> str:
        hidden: list[str] = []
        style = _value(paragraph.find(qn("w:pPr")), "w:pStyle")
        text = "".join(self._pieces(paragraph, self._styles.characters(style), hidden))
        if hidden:
            self._draft.hide(" ".join("".join(hidden).split()))
        return text

    def all_text(self, cell: _Element) -> str:
        """The text of a cell with all that is nested in it."""
        return " ".join(map(self.text, _paragraphs(cell)))

    def _pieces(self, element: _Element, style: list[_Element], hidden: list[str]) -> Iterator[str]:
        for child in element:
            if child.tag in _TEXTS:
                yield child.text or ""
            elif child.tag in _MARKS:
                yield _MARKS[child.tag]
            elif child.tag == _RUN and not self._seen(child, style):
                hidden += [*self._pieces(child, style, hidden), " "]
            elif child.tag not in _GONE:
                yield from self._pieces(child, style, hidden)

    def _seen(self, run: _Element, style: list[_Element]) -> bool:
        """Whether a run is seen; `style` is what its paragraph's style says of characters."""
        own = run.find(_RUN_PROPERTIES)
        chain = style
        if own is not None:
            chain = [own, *self._styles.characters(_value(own, "w:rStyle")), *style]
        if _said(chain, "w:vanish") or _said(chain, "w:webHidden"):
            return False
        size = next(filter(None, (_value(properties, "w:sz") for properties in chain)), "")
        if size.isdecimal() and len(size) < 5 and int(size) <= _TINY:
            return False
        colour = next(filter(None, (_value(properties, "w:color") for properties in chain)), "")
        return _PALE.fullmatch(colour) is None or self._grounded(run, chain)

    def _grounded(self, run: _Element, chain: list[_Element]) -> bool:
        """Whether something may give a white text another ground than white."""
        if self._coloured or any(_shaded(properties) for properties in chain):
            return True
        for above in run.iterancestors():
            if above.tag in (_CELL, _BOX):  # the ground of a table's style or of a shape
                return True
            if above.tag == _PARAGRAPH and any(map(_shaded, self._styles.chain(above))):
                return True
        return False


class _Reader:
    """A walk over the body that writes blocks."""

    def __init__(self, draft: Draft, document: WordDocument) -> None:
        self._draft = draft
        self._document = document
        self._styles = _Styles(document)
        self._numbers = _Numbers(document)
        self._ink = _Ink(draft, self._styles, document)

    def blocks(self, parent: _Element) -> None:
        for child in parent:
            if child.tag == _PARAGRAPH:
                self._paragraph(child)
            elif child.tag == _TABLE:
                self._table(child)
            elif child.tag not in _GONE and isinstance(child.tag, str):
                self.blocks(child)  # content controls, insertions, custom XML

    def notes(self) -> None:
        """Footnotes and endnotes, after the text."""
        for kind in (RELATIONSHIP_TYPE.FOOTNOTES, RELATIONSHIP_TYPE.ENDNOTES):
            try:
                part = self._document.part.part_related_by(kind)
            except KeyError:
                continue
            for note in parse_xml(part.blob):
                if note.get(qn("w:type")) is None:
                    self.blocks(note)

    def _paragraph(self, paragraph: _Element) -> None:
        names = self._styles.names(paragraph)
        if names and re.match(r"toc(?: \d| heading|$)", names[0]):
            return
        text = self._ink.text(paragraph)
        if text.strip():
            self._write(paragraph, names, text)
        for box in _boxes(paragraph):
            self.blocks(box)

    def _write(self, paragraph: _Element, names: list[str], text: str) -> None:
        if names and names[0] == "title":
            self._draft.title = self._draft.title or text
            self._draft.add("heading", text, 1)
            return
        chain = self._styles.chain(paragraph)
        if level := _level(names, chain):
            self._draft.add("heading", text.replace("\n", " "), level + bool(self._draft.title))
        elif (number := _number(chain)) is not None:
            self._draft.add("list", self._numbers.marker(*number) + text)
        elif any(name.startswith("list bullet") for name in names):
            self._draft.add("list", "- " + text)
        else:
            self._draft.add("paragraph", text)

    def _table(self, table: _Element) -> None:
        deleted = qn("w:trPr") + "/" + qn("w:del")
        rows = [row for row in _inside(table, _ROW) if row.find(deleted) is None]
        cells = [list(_inside(row, _CELL)) for row in rows]
        wide = max(map(len, cells), default=0) > 1
        deep = any(_lays_out(cell) for row in cells for cell in row)
        texts: list[list[str]] = []
        if wide and not deep:
            texts = [[" ".join(self._ink.all_text(cell).split()) for cell in row] for row in cells]
        if not texts or any(len(text) > _LONGEST_CELL for row in texts for text in row):
            for row in cells:  # it only frames or lays out text
                for cell in row:
                    self.blocks(cell)
            return
        marked = [row.find(qn("w:trPr") + "/" + qn("w:tblHeader")) is not None for row in rows]
        header = marked.index(False) if False in marked else 0
        for line in lines(_grid(cells, texts, header), header or None):
            self._draft.add("table", line)


def _grid(cells: list[list[_Element]], texts: list[list[str]], header: int) -> list[list[str]]:
    """Rows with merged cells filled: downwards always, sideways only in the header."""
    grid: list[list[str]] = []
    size = 0
    for index, row in enumerate(cells):
        out: list[str] = []
        for cell, text in zip(row, texts[index], strict=True):
            properties = cell.find(qn("w:tcPr"))
            merge = None if properties is None else properties.find(qn("w:vMerge"))
            if merge is not None and merge.get(qn("w:val"), "continue") == "continue" and grid:
                above = grid[-1]
                text = text or (above[len(out)] if len(out) < len(above) else "")
            span = _value(properties, "w:gridSpan")
            width = min(int(span), 100) if span.isdecimal() and len(span) < 4 else 1
            size += width
            width = width if size < _LARGEST_GRID else 1
            out += [text, *([text] * (width - 1) if index < header else [""] * (width - 1))]
        grid.append(out)
    return grid


def _inside(parent: _Element, tag: str) -> Iterator[_Element]:
    """Children of one kind, also within content controls and insertions."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag not in _GONE and child.tag not in (_PARAGRAPH, _TABLE, _ROW, _CELL):
            yield from _inside(child, tag)


def _said(chain: list[_Element], tag: str) -> bool:
    """Whether the nearest of the properties that speaks of it switches something on."""
    for properties in chain:
        found = properties.find(qn(tag))
        if found is not None:
            return found.get(qn("w:val"), "true") not in ("0", "false", "off")
    return False


def _shaded(properties: _Element) -> bool:
    """Whether these properties lay a colour under the text."""
    if _value(properties, "w:highlight") not in ("", "none", "white"):
        return True
    shade = properties.find(qn("w:shd"))
    if shade is None:
        return False
    fill = shade.get(qn("w:fill"), "auto")
    return fill != "auto" and _PALE.fullmatch(fill) is None


def _paragraphs(parent: _Element) -> Iterator[_Element]:
    """All paragraphs below, and those in their text boxes, without the copies for old readers."""
    for child in parent:
        if child.tag == _PARAGRAPH:
            yield child
            for box in _boxes(child):
                yield from _paragraphs(box)
        elif child.tag != _FALLBACK:
            yield from _paragraphs(child)


def _boxes(parent: _Element) -> Iterator[_Element]:
    """Text boxes anchored in a paragraph, without their copies for old readers.

    A box within a box is found when the outer one is walked."""
    if next(parent.iter(_BOX), None) is None:
        return
    for child in parent:
        if child.tag == _BOX:
            yield child
        elif child.tag != _FALLBACK:
            yield from _boxes(child)


def _lays_out(cell: _Element) -> bool:
    """Whether there are tables within tables in a cell, as only a layout has."""
    return any(
        next(islice(table.iter(_TABLE), 1, 2), None) is not None for table in cell.iter(_TABLE)
    )


def _level(names: list[str], chain: list[_Element]) -> int:
    """The level of a heading, by the name of its style or by its outline level; 0 for none."""
    for name in names:
        if match := re.fullmatch(r"heading ([1-9])", name):
            return int(match.group(1))
    for properties in chain:
        outline = _value(properties, "w:outlineLvl")
        if outline.isdecimal() and len(outline) == 1:
            return int(outline) + 1 if int(outline) < 9 else 0
    return 0


def _number(chain: list[_Element]) -> tuple[str, int] | None:
    """The list and the level that a paragraph is numbered in, or None."""
    for properties in chain:
        numbered = properties.find(qn("w:numPr"))
        if numbered is not None:
            number, level = _value(numbered, "w:numId"), _value(numbered, "w:ilvl")
            if number in ("", "0"):
                return None
            return number, int(level) if level.isdecimal() and len(level) == 1 else 0
    return None


def _value(parent: _Element | None, tag: str) -> str:
    """The `w:val` of a child; empty where there is none."""
    child = None if parent is None else parent.find(qn(tag))
    return "" if child is None else str(child.get(qn("w:val")) or "")
