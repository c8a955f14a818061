"""A question and a text as the reader takes them."""

from __future__ import annotations

from retrieval.rerankers.pairs import (
    ASKED,
    ASKED_TOO,
    FRAME,
    LONGEST_QUESTION,
    READ,
    READ_TOO,
    Side,
    paired,
)


def side(*tokens: int) -> Side:
    return Side(tokens, [(place, place + 1) for place in range(len(tokens))])


def test_the_text_stands_behind_the_question() -> None:
    pair = paired(side(7, 8), side(5, 6), longest=20)
    assert pair.tokens == [101, 7, 8, 102, 5, 6, 102]
    assert pair.first == 4


def test_tokens_on_both_sides_are_marked_on_both() -> None:
    pair = paired(side(7, 8), side(5, 8, 8), longest=20)
    assert pair.parts == [FRAME, ASKED, ASKED_TOO, FRAME, READ, READ_TOO, READ_TOO, FRAME]


def test_a_long_text_is_cut_at_its_end() -> None:
    pair = paired(side(7), side(*range(200, 300)), longest=10)
    assert len(pair.tokens) == len(pair.parts) == 10
    assert len(pair.offsets) == 6
    assert pair.tokens[-1] == 102


def test_of_a_long_question_beginning_and_end_are_read() -> None:
    pair = paired(side(*range(1000, 1200)), side(5), longest=320)
    asked = pair.tokens[1 : pair.first - 1]
    assert len(asked) == LONGEST_QUESTION
    assert (asked[0], asked[-1]) == (1000, 1199)
