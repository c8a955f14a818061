from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
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


def test_an_owner_password_alone_does_not_hinder_reading(tmp_path: Path) -> None:
    assert read(tmp_path, "open.pdf", pdf(hello, password="")).text == "Hello from a page."


def test_many_threads_may_read(tmp_path: Path) -> None:
    content = pdf(manual)
    with ThreadPoolExecutor(8) as threads:
        documents = list(threads.map(lambda i: read(tmp_path, f"{i}.pdf", content), range(24)))
    assert len({document.text for document in documents}) == 1
