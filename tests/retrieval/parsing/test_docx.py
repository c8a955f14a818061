from __future__ import annotations

from pathlib import Path

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor
from docx.text.run import Run

from retrieval.parsing.draft import Unreadable
from tests.retrieval.parsing.made import blocks, read, word


def handbook(document: docx.document.Document) -> None:
    document.core_properties.title = "Word Document"
    document.add_heading("Handbook", 0)
    document.add_paragraph("An introduction.")
    document.add_heading("Grades", 1)
    document.add_paragraph("First", style="List Number")
    document.add_paragraph("Second", style="List Number")
    document.add_paragraph("A bullet", style="List Bullet")
    table = document.add_table(3, 3)
    for row, values in enumerate(
        [("Grade", "Job", "Days"), ("G1", "Helper", "25"), ("", "", "26")]
    ):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0))
    document.add_heading("Notice", 2)
    document.add_paragraph("One month.")


def test_headings_lists_and_tables_in_order(tmp_path: Path) -> None:
    document = read(tmp_path, "a.docx", word(handbook))
    assert document.title == "Handbook"
    assert blocks(document) == [
        ("heading", "Handbook"),
        ("paragraph", "An introduction."),
        ("heading", "Grades"),
        ("list", "1. First"),
        ("list", "2. Second"),
        ("list", "- A bullet"),
        ("table", "Grade: G1; Job: Helper; Days: 25"),
        ("table", "Grade: G1; Days: 26"),
        ("heading", "Notice"),
        ("paragraph", "One month."),
    ]
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 2, 3]


def test_a_table_of_one_cell_is_a_frame(tmp_path: Path) -> None:
    def frame(document: docx.document.Document) -> None:
        document.add_table(1, 1).cell(0, 0).text = "Framed"

    assert blocks(read(tmp_path, "a.docx", word(frame))) == [("paragraph", "Framed")]


def test_hidden_and_deleted_text_is_not_read(tmp_path: Path) -> None:
    def secretive(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("Seen")
        paragraph.add_run(" and hidden").font.hidden = True
        deletion = OxmlElement("w:del")
        run = OxmlElement("w:r")
        text = OxmlElement("w:t")
        text.text = " and deleted"
        run.append(text)
        deletion.append(run)
        paragraph._p.append(deletion)

    read_again = read(tmp_path, "a.docx", word(secretive))
    assert read_again.text == "Seen"
    assert read_again.hidden == ("and hidden",)


def colour(run: Run, value: str) -> None:
    run.font.color.rgb = RGBColor.from_string(value)


def shade(element: object, tag: str, value: str) -> None:
    shading = OxmlElement("w:shd")
    shading.set(qn("w:fill"), value)
    getattr(element, tag)().append(shading)


@pytest.mark.parametrize("how", ["white", "almost white", "tiny", "style", "paragraph"])
def test_text_that_nobody_sees_is_kept_apart(tmp_path: Path, how: str) -> None:
    def secretive(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("Seen")
        if how == "paragraph":
            paragraph = document.add_paragraph()
            document.styles.add_style("Unseen", WD_STYLE_TYPE.PARAGRAPH).font.hidden = True
            paragraph.style = "Unseen"
        run = paragraph.add_run(" and unseen")
        if how == "tiny":
            run.font.size = Pt(1)
        elif how == "style":
            style = document.styles.add_style("Secret", WD_STYLE_TYPE.CHARACTER)
            style.font.hidden = True
            run.style = "Secret"
        elif how != "paragraph":
            colour(run, "FFFFFF" if how == "white" else "FEFEFD")

    document = read(tmp_path, "a.docx", word(secretive))
    assert document.text == "Seen"
    assert document.hidden == ("and unseen",)


@pytest.mark.parametrize("ground", ["run", "paragraph", "cell"])
def test_white_text_on_a_dark_ground_is_seen(tmp_path: Path, ground: str) -> None:
    def framed(document: docx.document.Document) -> None:
        table = document.add_table(2, 2)
        paragraph = table.cell(0, 0).paragraphs[0] if ground == "cell" else document.add_paragraph()
        run = paragraph.add_run("Seen")
        colour(run, "FFFFFF")
        if ground == "run":
            shade(run._r, "get_or_add_rPr", "000080")
        elif ground == "paragraph":
            shade(paragraph._p, "get_or_add_pPr", "000080")

    document = read(tmp_path, "a.docx", word(framed))
    assert document.text == "Seen"
    assert document.hidden == ()


def test_inserted_text_and_content_controls_are_read(tmp_path: Path) -> None:
    def controlled(document: docx.document.Document) -> None:
        inner = document.add_paragraph("Inside a control")._p
        control = OxmlElement("w:sdt")
        content = OxmlElement("w:sdtContent")
        control.append(content)
        inner.addprevious(control)
        content.append(inner)
        paragraph = document.add_paragraph("Kept")
        insertion = OxmlElement("w:ins")
        insertion.append(paragraph.add_run(" and inserted")._r)
        paragraph._p.append(insertion)

    assert read(tmp_path, "a.docx", word(controlled)).text == (
        "Inside a control\n\nKept and inserted"
    )


def test_an_outline_level_makes_a_heading(tmp_path: Path) -> None:
    def outlined(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("Scope")
        level = OxmlElement("w:outlineLvl")
        level.set(qn("w:val"), "0")
        paragraph._p.get_or_add_pPr().append(level)
        document.add_paragraph("Text")

    assert blocks(read(tmp_path, "a.docx", word(outlined)))[0] == ("heading", "Scope")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    whole = word(handbook)
    with pytest.raises(Unreadable, match="truncated or damaged DOCX"):
        read(tmp_path, "a.docx", whole[: int(len(whole) * share)])


def test_damage_inside_is_named(tmp_path: Path) -> None:
    whole = bytearray(word(handbook))
    middle = whole.index(b"word/document.xml") + 400
    whole[middle : middle + 200] = bytes(200)
    with pytest.raises(Unreadable, match=r"damaged|wrong type"):
        read(tmp_path, "a.docx", bytes(whole))


def test_tables_within_tables_lay_out_text(tmp_path: Path) -> None:
    def nested(document: docx.document.Document) -> None:
        cell = document.add_table(1, 2).cell(0, 0)
        for depth in range(40):
            cell.text = f"Level {depth}"
            cell = cell.add_table(1, 2).cell(0, 0)
        cell.text = "Innermost"

    found = blocks(read(tmp_path, "a.docx", word(nested)))
    assert found[0] == ("paragraph", "Level 0")
    assert sum("Innermost" in text for _, text in found) == 1
