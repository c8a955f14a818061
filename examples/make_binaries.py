"""Makes the handbook's PDF and DOCX from the texts in `sources/`, the same bytes every time.

It reads only the few marks that these texts use (headings, paragraphs, lists, tables) and is no
general Markdown converter. Run it after a change in `sources/`: `python examples/make_binaries.py`.
"""

import argparse
import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
EDITION = datetime(2025, 1, 1)
BLUE = "#123a5a"


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    texts: tuple[str, ...]
    numbered: bool


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Prose | Items | Table


def blocks(text: str) -> Iterator[Block]:
    """The text's blocks in order; lines of one kind that follow each other are one block."""
    for kind, group in groupby(text.splitlines(), key=_kind):
        lines = list(group)
        match kind:
            case "heading":
                for line in lines:
                    marks, _, title = line.partition(" ")
                    yield Heading(len(marks), title)
            case "bullet":
                yield Items(tuple(line[2:] for line in lines), numbered=False)
            case "step":
                yield Items(tuple(line.partition(". ")[2] for line in lines), numbered=True)
            case "table":
                rows = [tuple(map(str.strip, line.strip("|").split("|"))) for line in lines]
                yield Table((rows[0], *rows[2:]))
            case "prose":
                for line in lines:
                    yield Prose(line)


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if re.match(r"#+ ", line):
        return "heading"
    if line.startswith("- "):
        return "bullet"
    if re.match(r"\d+\. ", line):
        return "step"
    return "table" if line.startswith("|") else "prose"


def pdf(text: str) -> bytes:
    """A paged A4 document with bookmarks, and a header and footer on every page."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    parts = list(blocks(text))
    title = next(part.text for part in parts if isinstance(part, Heading))

    def furniture(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(20 * mm, 285 * mm, "Harrow & Tide")
        canvas.drawRightString(190 * mm, 285 * mm, title)
        canvas.drawCentredString(105 * mm, 10 * mm, f"Page {document.page}")

    out = io.BytesIO()
    # `invariant` leaves out the time of making and the random document id.
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=22 * mm,
        bottomMargin=20 * mm,
        title=title,
        author="Harrow & Tide",
        lang="en",
        invariant=1,
    )
    document.build(
        [flowable for part in parts for flowable in _flowables(part)],
        onFirstPage=furniture,
        onLaterPages=furniture,
    )
    return out.getvalue()


def _flowables(block: Block) -> list[Any]:
    from reportlab.lib import colors
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import ListFlowable, LongTable, Paragraph, Spacer

    body = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=6)
    cell = ParagraphStyle("cell", parent=body, fontSize=8.5, leading=11, spaceAfter=0)
    head = ParagraphStyle("head", parent=cell, fontName="Helvetica-Bold")
    match block:
        case Heading(level, text):
            size = {1: 20, 2: 14}.get(level, 11)
            style = ParagraphStyle(
                f"heading{level}",
                fontName="Helvetica-Bold",
                fontSize=size,
                leading=size * 1.3,
                spaceBefore=8,
                spaceAfter=4,
                textColor=colors.HexColor(BLUE),
                keepWithNext=1,
            )
            return [_bookmarked(Paragraph(escape(text), style), level, text)]
        case Prose(text):
            return [Paragraph(escape(text), body)]
        case Items(texts, numbered):
            items = [Paragraph(escape(text), body) for text in texts]
            if numbered:
                return [
                    ListFlowable(
                        items, leftIndent=16, bulletType="1", bulletFormat="%s.", bulletFontSize=10
                    )
                ]
            return [ListFlowable(items, leftIndent=16, bulletType="bullet", start="•")]
        case Table(rows):
            styled = [
                [Paragraph(escape(text), head if number == 0 else cell) for text in row]
                for number, row in enumerate(rows)
            ]
            width = 170 * mm / len(rows[0])
            table = LongTable(styled, colWidths=[width] * len(rows[0]), repeatRows=1)
            table.setStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ]
            )
            return [Spacer(1, 2), table, Spacer(1, 8)]


def _bookmarked(paragraph: Any, level: int, text: str) -> Any:
    """The heading, also entered in the PDF's outline where it is drawn."""
    draw = paragraph.draw

    def draw_with_bookmark() -> None:
        paragraph.canv.bookmarkPage(text)
        paragraph.canv.addOutlineEntry(text, text, level - 1, 0)
        draw()

    paragraph.draw = draw_with_bookmark
    return paragraph


def docx(text: str) -> bytes:
    """A Word document with heading, list and table styles that a parser can tell apart."""
    from docx import Document

    document = Document()
    for block in blocks(text):
        match block:
            case Heading(level, title):
                document.add_heading(title, level=level - 1)
            case Prose(prose):
                document.add_paragraph(prose)
            case Items(texts, numbered):
                for item in texts:
                    document.add_paragraph(item, "List Number" if numbered else "List Bullet")
            case Table(rows):
                table = document.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
                for number, row in enumerate(rows):
                    for cell, value in zip(table.add_row().cells, row, strict=True):
                        cell.paragraphs[0].add_run(value).bold = number == 0
                document.add_paragraph()
    properties = document.core_properties
    properties.title = text.splitlines()[0].removeprefix("# ")
    properties.author = properties.last_modified_by = "Harrow & Tide"
    properties.created = properties.modified = EDITION
    properties.comments = ""
    out = io.BytesIO()
    document.save(out)
    return _undated(out.getvalue())


def _undated(archive: bytes) -> bytes:
    """The same archive with one fixed date on every member, so that a rebuild changes nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name, date_time=EDITION.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # Otherwise the maker's operating system is recorded.
            new.writestr(member, old.read(name))
    return out.getvalue()


WRITERS: dict[str, Callable[[str], bytes]] = {
    "equipment-inspection-manual.pdf": pdf,
    "grades-and-benefits.docx": docx,
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Make the handbook's PDF and DOCX.")
    parser.add_argument("--into", type=Path, default=HERE / "handbook", help="where they go")
    folder: Path = parser.parse_args(arguments).into
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in WRITERS.items():
        source = HERE / "sources" / f"{Path(name).stem}.md"
        (folder / name).write_bytes(write(source.read_text(encoding="utf-8")))
        print(folder / name)


if __name__ == "__main__":
    main(sys.argv[1:])
