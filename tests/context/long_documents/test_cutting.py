"""A long text in parts: nothing is lost or too long, and cuts are where a reader pauses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.long_documents.cutting import NoRoom, cut, structured
from context.tokens import Tokenizer, counter
from retrieval.parsing.formats import parse
from tests.effort import cpu_seconds

COUNTERS: list[Tokenizer] = [
    counter(),
    counter("gpt-4"),
    Tokenizer("characters", len),
    Tokenizer("bytes", lambda text: len(text.encode()) // 3 + 1),
    Tokenizer("words", lambda text: len(text.split())),
]
LINES = st.one_of(
    st.text(max_size=200),
    st.sampled_from(["", "# Heading", "## Below", "- item of a list", "| a | b |", "```", "x = 1"]),
    st.lists(st.sampled_from(["Rain fell.", "It costs 4.90 EUR.", "Why?", "word " * 30])).map(
        " ".join
    ),
)
TEXTS = st.lists(LINES, max_size=60).map("\n".join)


@given(TEXTS, st.sampled_from(COUNTERS), st.integers(64, 400), st.integers(0, 60))
def test_parts_are_the_text_and_none_is_over_the_limit(
    text: str, count: Tokenizer, limit: int, overlap: int
) -> None:
    overlap = min(overlap, limit // 4)
    parts = cut(structured(text), count, limit, overlap)
    assert "".join(text[part.start : part.end] for part in parts) == text or not text.strip()
    for part in parts:
        shown = text[part.lead : part.end]
        assert part.tokens == count(shown) <= limit
        assert part.lead <= part.start < part.end


@given(TEXTS, st.integers(64, 400))
def test_what_is_shown_again_is_the_end_of_the_part_before(text: str, limit: int) -> None:
    count = counter()
    parts = cut(structured(text), count, limit, limit // 4)
    for before, part in pairwise(parts):
        assert before.end == part.start
        again = text[part.lead : part.start]
        # Counted in a row it may be a token more than sentence by sentence.
        assert count(again) <= limit // 4 + again.count("\n") + 2


def test_parts_overlap_by_whole_sentences() -> None:
    text = " ".join(f"Sentence number {n} says that much." for n in range(60))
    parts = cut(structured(text), counter(), 100, 20)
    assert len(parts) > 3
    for part in parts[1:]:
        again = text[part.lead : part.start]
        assert again.startswith("Sentence")
        assert again.strip().endswith(".")


def test_parts_begin_with_sections_and_know_under_which_heading_they_stand() -> None:
    body = "A sentence of some ten words that says nothing at all. " * 12
    text = "".join(f"# Chapter {n}\n\n{body}\n\n" for n in range(6))
    parts = cut(structured(text), counter(), 200, 0)
    assert [part.section for part in parts] == [f"Chapter {n}" for n in range(6)]
    assert all(text[part.start :].startswith("# Chapter") for part in parts)


def test_tables_and_code_are_kept_whole_where_they_fit() -> None:
    table = "".join(f"| row {n} | value {n} |\n" for n in range(12))
    code = "```\n" + "".join(f"line_{n} = {n}\n" for n in range(12)) + "```\n"
    prose = "A sentence of some ten words that says nothing at all. " * 7
    text = f"{prose}\n\n{table}\n{prose}\n\n{code}\n{prose}\n"
    shown = [text[part.start : part.end] for part in cut(structured(text), counter(), 250, 0)]
    assert any(table in each for each in shown)
    assert any(code in each for each in shown)


def test_a_word_without_an_end_is_cut_all_the_same() -> None:
    text = "x" * 20_000
    parts = cut(structured(text), counter(), 64, 0)
    assert "".join(text[part.start : part.end] for part in parts) == text


def test_a_parsed_file_is_cut_along_its_blocks() -> None:
    body = "A sentence of some ten words that says nothing at all. " * 12
    data = "".join(f"<h2>Chapter {n}</h2><p>{body}</p>" for n in range(4)).encode()
    document = parse(data, "book.html", "book.html")
    parts = cut(document, counter(), 200, 0)
    assert [part.section for part in parts] == [f"Chapter {n}" for n in range(4)]
    assert "".join(document.text[p.start : p.end] for p in parts) == document.text


def test_a_limit_that_holds_nothing_is_refused() -> None:
    with pytest.raises(NoRoom):
        cut(structured("Some text."), counter(), 20, 0)


def test_the_effort_grows_with_the_text() -> None:
    def effort(sentences: int) -> float:
        text = "Some words make up a sentence. " * sentences
        return cpu_seconds(lambda: cut(structured(text), len, 4000, 100))

    assert effort(8_000) < 8 * effort(2_000)
