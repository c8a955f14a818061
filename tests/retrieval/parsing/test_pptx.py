from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation
from pptx.util import Inches

from retrieval.parsing.draft import Unreadable
from tests.effort import cpu_seconds
from tests.retrieval.parsing.made import altered, blocks, read, slides

TITLE, CONTENT, SECTION, TITLE_ONLY, BLANK = 0, 1, 2, 5, 6


def boxed(slide: Any, text: str, left: float, top: float) -> Any:
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
    box.text_frame.text = text
    return box


def talk(deck: Presentation) -> None:
    opening = deck.slides.add_slide(deck.slide_layouts[TITLE])
    opening.shapes.title.text = "Handbook"
    opening.placeholders[1].text = "For everyone"
    slide = deck.slides.add_slide(deck.slide_layouts[CONTENT])
    slide.shapes.title.text = "Grades"
    body = slide.placeholders[1].text_frame
    body.text = "First"
    deeper = body.add_paragraph()
    deeper.text, deeper.level = "Below", 1
    slide.notes_slide.notes_text_frame.text = "Say it slowly."


def test_slides_are_headings_with_their_numbers_as_pages(tmp_path: Path) -> None:
    document = read(tmp_path, "a.pptx", slides(talk))
    assert document.title == "Handbook"
    assert blocks(document) == [
        ("heading", "Handbook"),
        ("paragraph", "For everyone"),
        ("heading", "Grades"),
        ("list", "- First"),
        ("list", "  - Below"),
        ("paragraph", "Notes: Say it slowly."),
    ]
    assert [block.page for block in document.blocks] == [1, 1, 2, 2, 2, 2]
    assert [block.level for block in document.blocks if block.level] == [1, 2]


def test_a_slide_without_a_title_is_called_by_its_number(tmp_path: Path) -> None:
    def nameless(deck: Presentation) -> None:
        boxed(deck.slides.add_slide(deck.slide_layouts[BLANK]), "Alone", 1, 1)

    assert blocks(read(tmp_path, "a.pptx", slides(nameless))) == [
        ("heading", "Slide 1"),
        ("paragraph", "Alone"),
    ]


def test_shapes_are_read_from_the_top_and_from_the_left(tmp_path: Path) -> None:
    def scattered(deck: Presentation) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[BLANK])
        boxed(slide, "fifth", 1, 6)
        inner = slide.shapes.add_group_shape()
        box = inner.shapes.add_textbox(Inches(1), Inches(5), Inches(1), Inches(0.3))
        box.text_frame.text = "fourth"
        box = inner.shapes.add_textbox(Inches(1), Inches(4), Inches(1), Inches(0.3))
        box.text_frame.text = "third"
        boxed(slide, "second", 5, 1)
        boxed(slide, "first", 1, 1.1)

    text = read(tmp_path, "a.pptx", slides(scattered)).text
    assert text.split("\n\n")[1:] == ["first", "second", "third", "fourth", "fifth"]


def test_a_section_header_stands_above_its_slides(tmp_path: Path) -> None:
    def parted(deck: Presentation) -> None:
        talk(deck)
        for layout, title in ((SECTION, "Part two"), (TITLE_ONLY, "Within it")):
            slide = deck.slides.add_slide(deck.slide_layouts[layout])
            slide.shapes.title.text = title

    document = read(tmp_path, "a.pptx", slides(parted))
    assert [block.level for block in document.blocks if block.level] == [1, 2, 2, 3]


def test_a_table_says_its_columns_in_each_row(tmp_path: Path) -> None:
    def tabled(deck: Presentation) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[BLANK])
        frame = slide.shapes.add_table(3, 2, Inches(1), Inches(1), Inches(4), Inches(2))
        for row, values in enumerate([("Grade", "Days"), ("G1", "25"), ("G2", "28")]):
            for column, value in enumerate(values):
                frame.table.cell(row, column).text = value

    document = read(tmp_path, "a.pptx", slides(tabled))
    assert blocks(document)[1:] == [
        ("table", "Grade: G1; Days: 25"),
        ("table", "Grade: G2; Days: 28"),
    ]


def test_a_chart_is_read_as_the_table_behind_it(tmp_path: Path) -> None:
    def charted(deck: Presentation) -> None:
        data = CategoryChartData(number_format="0%")  # type: ignore[no-untyped-call]
        data.categories = ["2023", "2024"]
        data.add_series("Sales", (0.25, 0.5))  # type: ignore[no-untyped-call]
        slide = deck.slides.add_slide(deck.slide_layouts[BLANK])
        place = (Inches(1), Inches(1), Inches(4), Inches(3))
        slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data)

    document = read(tmp_path, "a.pptx", slides(charted))
    assert blocks(document)[1:] == [("table", "2023; Sales: 25%"), ("table", "2024; Sales: 50%")]


def test_what_is_hidden_is_kept_apart(tmp_path: Path) -> None:
    def secret(deck: Presentation) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[BLANK])
        boxed(slide, "Seen", 1, 1)
        boxed(slide, "Beside the slide", 40, 1)
        shape = boxed(slide, "Hidden shape", 1, 3)
        shape._element.nvSpPr.cNvPr.set("hidden", "1")
        unseen = deck.slides.add_slide(deck.slide_layouts[TITLE_ONLY])
        unseen.shapes.title.text = "Hidden slide"
        unseen._element.set("show", "0")

    document = read(tmp_path, "a.pptx", slides(secret))
    assert document.text == "Slide 1\n\nSeen"
    assert document.hidden == ("Beside the slide", "Hidden shape", "Hidden slide")


def test_one_slide_named_a_thousand_times_is_read_once(tmp_path: Path) -> None:
    def change(xml: bytes) -> bytes:
        start = xml.index(b"<p:sldId ")
        end = xml.index(b"/>", start) + 2
        return xml[:end] + xml[start:end] * 1000 + xml[end:]

    data = altered(slides(talk), "ppt/presentation.xml", change)
    assert read(tmp_path, "a.pptx", data).text.count("Handbook") == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    whole = slides(talk)
    with pytest.raises(Unreadable, match="truncated or damaged PPTX"):
        read(tmp_path, "a.pptx", whole[: int(len(whole) * share)])


def test_the_effort_grows_with_the_paragraphs_of_a_shape(tmp_path: Path) -> None:
    def said(count: int) -> bytes:
        def write(xml: bytes) -> bytes:
            at = xml.index(b"<a:p>")
            return xml[:at] + b"<a:p><a:r><a:t>Said</a:t></a:r></a:p>" * count + xml[at:]

        return altered(slides(talk), "ppt/slides/slide2.xml", write)

    small, large = said(2_000), said(8_000)
    few = cpu_seconds(lambda: read(tmp_path, "a.pptx", small))
    assert cpu_seconds(lambda: read(tmp_path, "a.pptx", large)) < 8 * few
