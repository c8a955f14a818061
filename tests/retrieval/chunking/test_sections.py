from __future__ import annotations

import re
import uuid

import pytest

from retrieval.chunking.measure import Count
from retrieval.chunking.sections import split
from retrieval.types import Document
from tests.retrieval.chunking.made import (
    SENTENCE,
    Counting,
    block,
    count,
    heading,
    made,
    paragraph,
    says_all,
)


def texts(document: Document, limit: int = 60) -> list[str]:
    return [passage.text for passage in split(document, count, limit)]


def test_a_section_is_a_passage_with_its_path() -> None:
    document = made(
        heading("Policy", 1),
        paragraph("Intro."),
        heading("Returns", 2),
        heading("Window", 3),
        paragraph(SENTENCE),
        heading("Fees", 2),
        paragraph("None."),
        title="Policy",
    )
    passages = split(document, count, 60)
    assert [(p.headings, p.text) for p in passages] == [
        ((), "Intro."),
        (("Returns", "Window"), SENTENCE),
        (("Fees",), "None."),
    ]
    assert passages[1].embedded == f"Policy › Returns › Window\n{SENTENCE}"


def test_small_neighbours_are_not_merged() -> None:
    document = made(
        heading("Phone", 2), paragraph("+1"), heading("Mail", 2), paragraph("a@b.example")
    )
    assert texts(document) == ["+1", "a@b.example"]


def test_a_heading_without_text_is_text() -> None:
    document = made(heading("Title", 1), heading("Empty", 2), heading("Last", 2))
    assert texts(document) == ["Empty\n\nLast"]
    assert texts(made(heading("Alone", 1))) == ["Alone"]


def test_long_sections_are_parted_evenly_between_sentences() -> None:
    passages = texts(made(paragraph(" ".join([SENTENCE] * 10))))
    assert {len(re.findall("window", text)) for text in passages} <= {2, 3}
    assert all(text.startswith("The") and text.endswith(".") for text in passages)


def test_parts_end_where_paragraphs_end() -> None:
    text = f"{SENTENCE} {SENTENCE}"
    assert texts(made(*[paragraph(text)] * 4)) == [text] * 4


def test_an_announcement_stays_with_its_list() -> None:
    filler = paragraph(f"{SENTENCE} {SENTENCE}")
    items = [block("list", f"- The item number {i} of the list of things") for i in range(3)]
    found = texts(made(filler, paragraph("Bring these things:"), *items))
    assert any("these things:\n\n- The item number 0" in text for text in found)


def test_rows_share_a_passage_and_are_never_cut() -> None:
    rows = [f"sku: HT-{i}; name: Jacket number {i}; price: {i}9.00" for i in range(40)]
    found = texts(made(*[block("table", row) for row in rows]))
    assert [row for text in found for row in text.split("\n")] == rows
    assert len(found) < 40 / 2


def test_code_is_parted_between_lines() -> None:
    lines = [f"    value_{i} = compute(value_{i - 1}, scale={i})" for i in range(30)]
    found = texts(made(block("code", "\n".join(lines))))
    assert [line.strip() for text in found for line in text.split("\n")] == [
        line.strip() for line in lines
    ]


def test_a_sentence_without_end_is_parted_between_words() -> None:
    text = " ".join(f"word{i}" for i in range(300))
    found = texts(made(paragraph(text)))
    assert " ".join(found) == text


def test_a_word_without_end_is_parted_anywhere() -> None:
    found = texts(made(paragraph("x" * 5_000)))
    assert "".join(found) == "x" * 5_000


def test_a_table_that_fits_is_never_cut() -> None:
    rows = [f"sku: HT-{i}; price: {i}9.00" for i in range(5)]
    around = [paragraph(SENTENCE) for _ in range(4)]
    for before in range(5):
        blocks = [block("table", row) for row in rows]
        found = texts(made(*around[:before], *blocks, *around[before:]))
        assert any("\n".join(rows) in text for text in found)


def test_code_that_fits_is_never_cut() -> None:
    code = "def area(a, b):\n    c = a * b\n\n    return c"
    around = [paragraph(SENTENCE) for _ in range(4)]
    for before in range(5):
        found = texts(made(*around[:before], block("code", code), *around[before:]))
        assert any(code in text for text in found)


def test_long_code_is_parted_where_a_line_is_left_empty() -> None:
    function = "def area_{0}(a, b):\n    c_{0} = a * b\n    return c_{0}"
    found = texts(made(block("code", "\n\n\n".join(function.format(i) for i in range(9)))))
    assert len(found) > 2
    assert all(text.startswith("def ") for text in found)


def test_sections_of_one_name_are_kept_apart() -> None:
    document = made(
        heading("Notes", 2), paragraph("Of May."), heading("Notes", 2), paragraph("Of June.")
    )
    assert texts(document) == ["Of May.", "Of June."]


def test_marks_that_join_without_end_are_parted() -> None:
    text = "a" + "\u0301" * 3_000
    assert "".join(texts(made(paragraph(text)))) == text


def test_an_overlong_row_is_parted_between_cells() -> None:
    row = "; ".join(f"column {i}: value number {i}" for i in range(60))
    found = texts(made(block("table", row)))
    assert "".join(found).replace(" ", "") == row.replace(" ", "")
    assert all(text.startswith("column") for text in found)


def test_a_long_path_leaves_room_for_the_text() -> None:
    document = made(
        heading("The outermost of all the headings that there are in this document", 1),
        heading("The second of all the headings that there are in this document", 2),
        heading("The innermost of all the headings that there are in this document", 3),
        paragraph(" ".join([SENTENCE] * 4)),
        title="A title that is itself rather long for something that stands in front of text",
    )
    passages = split(document, count, 48)
    assert all(count(p.embedded) <= 48 for p in passages)
    assert all(p.headings and p.headings[-1].startswith("The innermost") for p in passages)


def test_passages_carry_what_is_cited() -> None:
    filler = [paragraph(SENTENCE)] * 40
    passages = split(made(*filler), count, 60)
    assert [p.ordinal for p in passages] == list(range(len(passages)))
    assert {p.document for p in passages} == {"a/b.md"}
    assert passages[0].page == 1
    assert (passages[-1].page or 0) > 1


def test_ids_follow_from_source_version_and_ordinal() -> None:
    document = made(*[paragraph(SENTENCE)] * 9)
    first, again = split(document, count, 60), split(document, count, 60)
    assert [p.id for p in first] == [p.id for p in again]
    assert len({p.id for p in first}) == len(first) > 1
    assert all(uuid.UUID(p.id) for p in first)


def test_counts_sparingly() -> None:
    counting = Counting()
    document = made(*[paragraph(f"{SENTENCE} {SENTENCE}")] * 400)
    passages = split(document, counting, 60)
    assert counting.calls < 1.2 * len(passages) + 5


def test_ten_thousand_rows_take_seconds_at_most() -> None:
    document = made(*[block("table", f"sku: HT-{i}; price: {i}.00") for i in range(10_000)])
    assert split(document, count, 240)


@pytest.mark.parametrize("blind", [lambda _: 3, lambda text: 2 + 3 * len(text)])
def test_holds_whatever_the_tokens_are(blind: Count) -> None:
    """One token a text, or three a character."""
    document = made(paragraph("Grüße, 中文 and words. " * 60), title="T")
    passages = split(document, blind, 120)
    says_all(document, passages)
    assert all(len(passage.text) <= 120 * 12 for passage in passages)


def test_long_code_is_parted_between_its_outermost_statements() -> None:
    loop = "    for part in parts:\n        if part.worn:\n            replaced.append(\n" + (
        "                part,\n            )\n        else:\n            kept.append(part)"
    )
    code = "def serviced(parts):\n" + "\n".join([loop] * 12)
    found = texts(made(block("code", code)), limit=60)
    assert len(found) > 3
    assert {text.strip().splitlines()[0] for text in found[1:]} == {"for part in parts:"}
