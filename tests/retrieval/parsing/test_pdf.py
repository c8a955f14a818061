from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from retrieval.parsing.draft import Unreadable
from tests.retrieval.parsing.made import blocks, hello, line, pdf, read

WORDS = "A sentence that is long enough to fill the whole width of the column until it ends"


def manual(canvas: Canvas) -> None:
    canvas.setTitle("untitled")
    for page in (1, 2, 3):
        line(canvas, 815, "Example Company Manual", 8)
        line(canvas, 30, f"Page {page}", 8)
        if page == 1:
            line(canvas, 760, "Inspection Manual", 20, bold=True)
            line(canvas, 720, "1. Purpose", 14, bold=True)
            line(canvas, 700, f"{WORDS} with exam-")
            line(canvas, 688, "ples and more words that go on to the edge of the column on the")
            line(canvas, 676, "third line.")
            line(canvas, 656, "A new paragraph.")
            line(canvas, 636, "• release the equipment;")
            line(canvas, 620, "• take it out of use.")
        else:
            line(canvas, 760, f"{page}. Chapter", 14, bold=True)
            line(canvas, 740, f"{WORDS} and further on")
            line(canvas, 728, f"in chapter {page}.")
            line(canvas, 708, f"{page}.1 Detail", 10, bold=True)
            line(canvas, 690, f"{WORDS} and further on")
            line(canvas, 678, f"in the detail of chapter {page}.")
        canvas.showPage()


def test_typography_becomes_structure(tmp_path: Path) -> None:
    document = read(tmp_path, "manual.pdf", pdf(manual))
    assert document.title == "Inspection Manual"
    assert blocks(document) == [
        ("heading", "Inspection Manual"),
        ("heading", "1. Purpose"),
        (
            "paragraph",
            f"{WORDS} with examples and more words that go on to the edge of the column on the "
            "third line.",
        ),
        ("paragraph", "A new paragraph."),
        ("list", "- release the equipment;"),
        ("list", "- take it out of use."),
        ("heading", "2. Chapter"),
        ("paragraph", f"{WORDS} and further on in chapter 2."),
        ("heading", "2.1 Detail"),
        ("paragraph", f"{WORDS} and further on in the detail of chapter 2."),
        ("heading", "3. Chapter"),
        ("paragraph", f"{WORDS} and further on in chapter 3."),
        ("heading", "3.1 Detail"),
        ("paragraph", f"{WORDS} and further on in the detail of chapter 3."),
    ]
    levels = [block.level for block in document.blocks if block.kind == "heading"]
    assert levels == [1, 2, 2, 3, 2, 3]


def test_blocks_know_their_page(tmp_path: Path) -> None:
    document = read(tmp_path, "manual.pdf", pdf(manual))
    pages = {document.text[b.start : b.end]: b.page for b in document.blocks}
    assert (pages["1. Purpose"], pages["3. Chapter"]) == (1, 3)


def test_a_title_in_the_properties_is_used_without_headings(tmp_path: Path) -> None:
    def plain(canvas: Canvas) -> None:
        canvas.setTitle("Letter to the Board")
        hello(canvas)

    assert read(tmp_path, "letter.pdf", pdf(plain)).title == "Letter to the Board"


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_truncated_file_is_not_half_read(tmp_path: Path, share: float) -> None:
    whole = pdf(manual)
    with pytest.raises(Unreadable, match="truncated"):
        read(tmp_path, "manual.pdf", whole[: int(len(whole) * share)])


@pytest.mark.parametrize("length", [b"/Length 7", b"/Length 8 0 R"])
def test_streams_whose_ends_would_be_sought_for_minutes_are_refused(
    tmp_path: Path, length: bytes
) -> None:
    one = b"9 0 obj\n<< %b >>\nstream\n%b\nendstream\nendobj\n" % (length, b"x" * 300)
    damaged = b"%PDF-1.5\n8 0 obj\n7\nendobj\n" + 2_000 * one + b"%%EOF\n"
    with pytest.raises(Unreadable, match="streams do not end where they should"):
        read(tmp_path, "manual.pdf", damaged)


def test_one_stream_of_a_wrong_length_hinders_nothing(tmp_path: Path) -> None:
    whole = re.sub(rb"/Length \d+", b"/Length 3", pdf(hello))
    assert read(tmp_path, "hello.pdf", whole).text == "Hello from a page."


def test_an_owner_password_alone_does_not_hinder_reading(tmp_path: Path) -> None:
    assert read(tmp_path, "open.pdf", pdf(hello, password="")).text == "Hello from a page."


def test_many_threads_may_read(tmp_path: Path) -> None:
    content = pdf(manual)
    with ThreadPoolExecutor(8) as threads:
        documents = list(threads.map(lambda i: read(tmp_path, f"{i}.pdf", content), range(24)))
    assert len({document.text for document in documents}) == 1


def drawn(canvas: Canvas, text: str, mode: int = 0, y: float = 600, size: float = 10) -> None:
    pen = canvas.beginText(72, y)
    pen.setFont("Helvetica", size)
    pen.setTextRenderMode(mode)
    pen.textLine(text)
    canvas.drawText(pen)


def invisible(canvas: Canvas) -> None:
    drawn(canvas, "Unseen words.", mode=3)


def white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    drawn(canvas, "Unseen words.")


def almost_white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(0.99, 0.99, 0.99)
    drawn(canvas, "Unseen words.")


def transparent(canvas: Canvas) -> None:
    canvas.setFillAlpha(0)
    drawn(canvas, "Unseen words.")


def tiny(canvas: Canvas) -> None:
    drawn(canvas, "Unseen words.", size=0.7)


def outside(canvas: Canvas) -> None:
    drawn(canvas, "Unseen words.", y=-300)


def in_a_form(canvas: Canvas) -> None:
    canvas.beginForm("form")
    drawn(canvas, "Unseen words.", mode=3)
    canvas.endForm()
    canvas.doForm("form")


@pytest.mark.parametrize(
    "draw", [invisible, white, almost_white, transparent, tiny, outside, in_a_form]
)
def test_what_nobody_sees_is_kept_apart(tmp_path: Path, draw: Callable[[Canvas], None]) -> None:
    def both(canvas: Canvas) -> None:
        line(canvas, 700, "Seen words.")
        canvas.saveState()
        draw(canvas)
        canvas.restoreState()

    document = read(tmp_path, "a.pdf", pdf(both))
    assert document.text == "Seen words."
    assert document.hidden == ("Unseen words.",)


def test_a_part_of_a_line_may_be_unseen(tmp_path: Path) -> None:
    def mixed(canvas: Canvas) -> None:
        pen = canvas.beginText(72, 600)
        pen.setFont("Helvetica", 10)
        pen.textOut("The price is ")
        pen.setTextRenderMode(3)
        pen.textOut("not really ")
        pen.setTextRenderMode(0)
        pen.textOut("ten euros.")
        canvas.drawText(pen)

    document = read(tmp_path, "a.pdf", pdf(mixed))
    assert " ".join(document.text.split()) == "The price is ten euros."
    assert document.hidden == ("not really",)


def test_white_on_a_dark_ground_is_seen(tmp_path: Path) -> None:
    def banner(canvas: Canvas) -> None:
        canvas.setFillColorRGB(0.1, 0.2, 0.5)
        canvas.rect(50, 580, 400, 60, stroke=0, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        drawn(canvas, "A banner.")

    document = read(tmp_path, "a.pdf", pdf(banner))
    assert document.text == "A banner."
    assert document.hidden == ()


def test_what_was_recognised_in_a_scan_is_its_text(tmp_path: Path) -> None:
    def scan(canvas: Canvas) -> None:
        canvas.drawInlineImage(Image.new("L", (20, 30), 200), 0, 0, 595, 842)
        drawn(canvas, "Recognised words on a page that is a picture.", mode=3)

    document = read(tmp_path, "a.pdf", pdf(scan))
    assert document.text == "Recognised words on a page that is a picture."
    assert document.hidden == ()


def test_invisible_words_on_a_picture_with_a_text_of_its_own_are_hidden(tmp_path: Path) -> None:
    def page(canvas: Canvas) -> None:
        canvas.drawInlineImage(Image.new("L", (20, 30), 200), 0, 0, 595, 842)
        line(canvas, 700, "A page that is written and has a picture behind it.")
        drawn(canvas, "Unseen words.", mode=3)

    document = read(tmp_path, "a.pdf", pdf(page))
    assert document.hidden == ("Unseen words.",)
