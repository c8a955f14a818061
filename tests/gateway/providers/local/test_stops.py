"""A text that is told in pieces up to what stops it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.local.stops import UntilStop


def told(pieces: Sequence[str], stops: Sequence[str]) -> str:
    until = UntilStop(stops)
    return "".join(until.add(piece) for piece in pieces) + until.end()


@pytest.mark.parametrize(
    ("pieces", "stops", "expected"),
    [
        (["Hello", " world"], [], "Hello world"),
        (["Hello", " world"], ["wor"], "Hello "),
        (["a", "b", "c", "d"], ["bc"], "a"),
        (["a", "b", "x", "d"], ["bc"], "abxd"),
        (["END"], ["E", "EN"], ""),
        (["one END two"], [""], "one END two"),
    ],
)
def test_the_text_ends_in_front_of_the_first_stop(
    pieces: list[str], stops: list[str], expected: str
) -> None:
    assert told(pieces, stops) == expected


def test_what_may_begin_a_stop_is_not_told_before_it_is_known() -> None:
    until = UntilStop(["\n\n"])
    assert until.add("one\n") == "one"
    assert until.add("two") == "\ntwo"


@given(
    st.lists(st.text(alphabet="ab", max_size=4), max_size=8),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=3),
)
def test_pieces_make_no_difference(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    places = [at for stop in stops if (at := whole.find(stop)) >= 0]
    kept = told(pieces, stops)
    assert whole.startswith(kept)
    assert not any(stop in kept for stop in stops)
    if not places:
        assert kept == whole
