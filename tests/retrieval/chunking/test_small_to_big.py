from __future__ import annotations

from pathlib import Path

from retrieval.chunking.small_to_big import SmallToBig
from retrieval.types import Document, Passage
from tests.retrieval.chunking import real
from tests.retrieval.chunking.made import SENTENCE, block, count, heading, made, paragraph


def read(document: Document, passages: list[Passage], passage: Passage) -> str:
    first, last = passage.parent or (passage.ordinal, passage.ordinal)
    return document.text[passages[first].start : passages[last].end].rstrip()


def test_the_parent_is_the_section() -> None:
    document = made(
        heading("Returns", 2), *[paragraph(SENTENCE)] * 6, heading("Fees", 2), paragraph("None.")
    )
    passages = SmallToBig(count, 32, 400).split(document)
    assert len(passages) > 3
    assert read(document, passages, passages[1]) == "\n\n".join([SENTENCE] * 6)
    assert passages[-1].text == "None."
    assert passages[-1].parent is None


def test_a_long_section_is_read_in_parts_that_fit() -> None:
    document = made(paragraph(" ".join([SENTENCE] * 60)))
    passages = SmallToBig(count, 32, 150).split(document)
    for passage in passages:
        assert count(read(document, passages, passage)) <= 150
        assert read(document, passages, passage).endswith(".")
    assert len({passage.parent for passage in passages}) > 5


def test_a_table_that_is_searched_by_row_is_read_whole() -> None:
    rows = [block("table", f"sku: HT-{i}; name: Jacket; price: {i}9.00") for i in range(8)]
    document = made(*[paragraph(SENTENCE)] * 7, *rows, *[paragraph(SENTENCE)] * 7)
    passages = SmallToBig(count, 40, 160).split(document)
    table = "\n".join(text for _, text, _ in rows)
    cells = [passage for passage in passages if "HT-3" in passage.text]
    assert cells
    assert table not in cells[0].text
    assert table in read(document, passages, cells[0])


def test_real_documents_are_read_by_section(shared_data: Path) -> None:
    for document in real.documents(shared_data):
        passages = SmallToBig(real.count, 96, 480).split(document)
        for passage in passages:
            assert real.count(passage.embedded) <= 96
            assert real.count(read(document, passages, passage)) <= 480
            assert passage.text.strip() in read(document, passages, passage)
