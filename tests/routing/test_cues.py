"""What a question looks like, as numbers."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from routing.cues import CUES, HEAD, cues

CHOICE = """Which of these is NOT a prime number?
A. 2
B. 3
C. 91
D. 97
Answer:"""


def seen(question: str) -> dict[str, float]:
    return dict(zip(CUES, cues(question), strict=True))


@given(st.text(max_size=300))
def test_any_text_has_as_many_finite_numbers_as_there_are_cues(text: str) -> None:
    row = cues(text)
    assert len(row) == len(CUES)
    assert all(math.isfinite(value) for value in row)


def test_options_are_told_from_the_question() -> None:
    found = seen(CHOICE)
    assert found["options"] == 4
    assert found["option numbers"] == 1
    assert found["stem words"] == math.log1p(8)
    assert found["numbers"] == math.log1p(4)


def test_a_question_without_options_has_none() -> None:
    found = seen("A. Turing was born where?")
    assert found["options"] == 0
    assert found["option mean"] == -1


def test_kinds_of_words_are_counted_whatever_their_case() -> None:
    assert seen("Why NOT?")["negations"] == 0.5
    assert seen("Why NOT?")["asking"] == 0.5
    assert seen("Why NOT?")["why"] == 1


def test_only_the_beginning_is_read_but_the_whole_length_is_told() -> None:
    short, long = seen("word " * HEAD), seen("word " * HEAD + "= 17 ?")
    assert long["formulae"] == short["formulae"] == 0
    assert long["length"] > short["length"]
