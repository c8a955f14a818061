"""Sentences: their rules as tables, and the promise about spans for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.sentences import is_item, is_row, sentences
from tests.effort import cpu_seconds


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Goods ship within 3.5 days.", "Returns take longer."],
        ["Dr. Smith signed it.", "He left at 5 p.m. on Monday."],
        ["We met at 5 p.m.", "The office was closed."],
        ["It was built in the U.S. Army depot.", "It burned down."],
        ["See No. 5, e.g. the red one.", "Is it yours?", "Yes!", "Take it."],
        ["Yahoo! is a company.", "J. R. R. Tolkien wrote it."],
        ["The part ER-4012.B fits v2.1.", "Order it."],
        ["He said “stop.”", "Then he left (at last).", "“Why?”", "Nobody knows."],
        ["It rose to 12.", "In 2019 it fell."],
        ["A claim.[12]", "Another one.[citation needed]", "A third."],
        ["Wait... it continues here.", "Good."],
        ["iPhones are excluded.", "eBay orders too."],
        ["The answer is no.", "Ask again."],
        ["Call Acme Inc. for help.", "Bring an ID, a bill, etc.", "The clerk decides."],
    ],
)
def test_splits_prose_at_the_ends_of_sentences(parts: list[str]) -> None:
    assert split(" ".join(parts)) == parts


def test_splits_where_a_space_is_missing() -> None:
    assert split("They share stories.Others do not.") == ["They share stories.", "Others do not."]
    assert split("Use asp.Net here.") == ["Use asp.Net here."]


def test_items_rows_and_headings_stand_alone() -> None:
    text = (
        "# Returns\n\nYou need:\n- the receipt\n- the box. With its lid.\n1. Pack it\n2. Send it\n"
        "| Code | Fee |\n|---|---|\n| EU-1 | 4.90. Flat |\nDone"
    )
    assert split(text) == [
        "# Returns",
        "You need:",
        "- the receipt",
        "- the box.",
        "With its lid.",
        "1. Pack it",
        "2. Send it",
        "| Code | Fee |",
        "|---|---|",
        "| EU-1 | 4.90. Flat |",
        "Done",
    ]


def test_rows_with_named_cells_stay_apart_and_whole() -> None:
    rows = ["Zone: B; Countries: the E.U. States and others. All", "Zone: C; Countries: Norway"]
    assert split("\n".join(rows)) == rows


def test_joins_lines_that_merely_wrap() -> None:
    text = "The warranty covers defects in material and\nworkmanship for two years. It ends\nthen."
    assert split(text) == [
        "The warranty covers defects in material and\nworkmanship for two years.",
        "It ends\nthen.",
    ]


def test_joins_the_wrapped_lines_of_an_item() -> None:
    text = "- first item that goes\n  on here\n- second"
    assert split(text) == ["- first item that goes\n  on here", "- second"]


def test_a_blank_line_and_a_short_title_end_a_sentence() -> None:
    assert split("Shipping\nWe ship daily") == ["Shipping", "We ship daily"]
    assert split("one part\n\nanother part") == ["one part", "another part"]


def test_tells_items_and_rows() -> None:
    assert is_item("- a")
    assert is_item("12) b")
    assert not is_item("well - no")
    assert is_row("a | b")
    assert is_row("SKU,Name,Price")
    assert is_row("Zone: C; Express: €24.95")
    assert not is_row("Note this. One: a; two: b")
    assert not is_row("red, green, blue and so on")


ALPHABET = st.text(alphabet=" \n\r\t.!?…:;,-*#|([\")]'1aAbBéИ。\x85\u2028\xa0", max_size=120)


@given(st.one_of(st.text(max_size=200), ALPHABET))
def test_spans_are_ordered_apart_and_cover_all_but_white_space(text: str) -> None:
    spans = sentences(text)
    covered: set[int] = set()
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered.update(range(start, end))
        last = end
    assert all(c.isspace() for i, c in enumerate(text) if i not in covered)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        " " * 10**6,
        "." * 10**6,
        ", " * 10**6,
        "a. " * 10**5,
        "|" * 10**6,
        "(a.b. c " * 10**5,
    ],
)
def test_stays_linear(text: str) -> None:
    short = cpu_seconds(lambda: sentences(text[: len(text) // 10]))
    assert cpu_seconds(lambda: sentences(text)) < 40 * max(short, 0.005)
