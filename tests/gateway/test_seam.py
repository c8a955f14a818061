"""Two models' words as one text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.seam import AnotherAnswer, Seam, shown

BLANKS = st.sampled_from([" ", " ", " ", "  ", "\n", "\n\n", "\n    ", " \n"])
LETTERS = st.text(st.characters(categories=("L", "N", "P", "S", "M")), min_size=1, max_size=9)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Any words with any blanks between them, each with a mark of its own at its beginning: without
    it a doubled letter or word could be meant or be a repetition, and nobody can tell."""
    words = draw(st.lists(LETTERS, min_size=2, max_size=25))
    blanks = draw(st.lists(BLANKS, min_size=len(words), max_size=len(words)))
    marked = (chr(0xE000 + place) + word for place, word in enumerate(words))
    return "".join(f"{word}{blank}" for word, blank in zip(marked, blanks, strict=True)).rstrip()


cuts = st.floats(min_value=0, max_value=1)
steps = st.integers(min_value=1, max_value=7)


def joined(said: str, goes_on: str, step: int = 1, *, asked: bool = True) -> str:
    """What the client reads when the next model streams its words a few characters at a time."""
    seam = Seam(said, asked_to_repeat=asked)
    pieces = [goes_on[at : at + step] for at in range(0, len(goes_on), step)]
    return said + "".join([seam.feed(piece) for piece in pieces]) + seam.finish()


def cut(text: str, share: float) -> str:
    return text[: max(1, round(share * len(text)))]


@given(texts(), cuts, steps, st.booleans())
@settings(max_examples=400, deadline=None)
def test_an_exact_continuation_is_the_text(text: str, share: float, step: int, asked: bool) -> None:
    said = cut(text, share)
    assert joined(said, text[len(shown(said)) :], step, asked=asked) == text


@given(texts(), cuts, steps, st.integers(min_value=1, max_value=30), st.booleans())
@settings(max_examples=400, deadline=None)
def test_repeated_words_are_said_once(
    text: str, share: float, step: int, words: int, asked: bool
) -> None:
    said = cut(text, share)
    starts = [word.start() for word in re.finditer(r"\S+", shown(said))]
    if not asked and min(words, len(starts)) < 2 <= len(starts):
        return  # it was not asked to, and one word alone may be the text's own
    goes_on = text[starts[-min(words, len(starts))] :]
    assert joined(said, goes_on, step, asked=asked) == text


@given(texts(), cuts, steps, st.booleans())
@settings(max_examples=400, deadline=None)
def test_an_answer_from_the_beginning_goes_on_where_it_was_cut(
    text: str, share: float, step: int, asked: bool
) -> None:
    assert joined(cut(text, share), text, step, asked=asked) == text


@given(texts(), cuts, steps)
@settings(max_examples=200, deadline=None)
def test_a_blank_before_repeated_words_does_not_hide_them(
    text: str, share: float, step: int
) -> None:
    said = cut(text, share)
    starts = [word.start() for word in re.finditer(r"\S+", shown(said))]
    if len(starts) >= 3:
        assert joined(said, "\n" + text[starts[-3] :], step) == text


@pytest.mark.parametrize(
    ("said", "goes_on", "whole"),
    [
        ("ha ha ha", " ha ha!", "ha ha ha ha ha!"),
        ("0, 0, 0,", " 0, 0]", "0, 0, 0, 0, 0]"),
        ("it costs 1", "100 EUR", "it costs 1100 EUR"),
        ("| --- |", " --- |", "| --- | --- |"),
        ("a bana", "na", "a banana"),
        ("one two ", " three", "one two three"),
        ("one two ", "three", "one two three"),
        ("def f():\n", "    return 1", "def f():\n    return 1"),
        ("one\n", "\n\ntwo", "one\n\ntwo"),
        ("", "one", "one"),
        ("one", "", "one"),
    ],
)
def test_what_a_prefilled_model_says_is_its_own(said: str, goes_on: str, whole: str) -> None:
    for step in (1, 3, 100):
        assert joined(said, goes_on, step, asked=False) == whole


def test_words_flow_as_soon_as_it_is_clear_where_they_belong() -> None:
    seam = Seam("The quick brown", asked_to_repeat=True)
    assert [seam.feed(piece) for piece in ("quick", " brown", " fox", " jumps")] == [
        "",
        "",
        " fox",
        " jumps",
    ]


def test_another_answer_is_told_from_a_continuation() -> None:
    said = "The quick brown fox jumps over the lazy dog and then it"
    seam = Seam(said, asked_to_repeat=True)
    with pytest.raises(AnotherAnswer):
        seam.feed("The quick brown fox jumps over a fence")
    stops = Seam(said, asked_to_repeat=False)
    assert stops.feed("The quick brown fox jumps over the") == ""
    with pytest.raises(AnotherAnswer):
        stops.finish()
