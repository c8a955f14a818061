"""Which answers agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.voting import Vote, vote
from tests.effort import cpu_seconds

LONG = (
    "You may send back what you have bought within {} days of its delivery, as long as it is "
    "unused and in its own box, and the shop pays for the parcel."
)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["41", "42.", " 42.0 "], Vote(1, 2 / 3)),
        (["1,000 EUR", "1000 eur [1]"], Vote(0, 1.0)),
        (["Yes.", "**no**", "No"], Vote(1, 2 / 3)),
        (["Paris", "paris!", "Paris, France", "Lyon"], Vote(0, 0.5)),
        (['{"a": 1, "b": [2]}', '{"b":[2],"a":1}', '{"a": 2}'], Vote(0, 2 / 3)),
        (["6 times 7 makes the answer 42", "I add up.\nAnswer: 42", "the answer is 41"], None),
        ([r"So it is \boxed{7}.", "Answer: 7"], Vote(0, 1.0)),
        (["one", "two", "three"], Vote(0, 1 / 3)),
        (["alone"], Vote(0, 1.0)),
        (["", ""], Vote(0, 1.0)),
    ],
)
def test_short_answers_agree_where_they_say_the_same(
    texts: list[str], expected: Vote | None
) -> None:
    assert vote(texts) == (expected or Vote(0, 2 / 3))


def test_long_answers_agree_by_their_words_but_never_with_other_figures() -> None:
    thirty = [LONG.format(30), f"In short: {LONG.format(30)}"]
    outcome = vote([LONG.format(14), *thirty, "Ask the desk, for nobody here knows about parcels."])
    assert outcome == Vote(1, 0.5)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_somebody_wins_with_at_least_the_own_vote(texts: list[str]) -> None:
    outcome = vote(texts)
    assert 0 <= outcome.winner < len(texts)
    assert 1 / len(texts) <= outcome.agreement <= 1


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8))
def test_the_most_frequent_answer_wins(texts: list[str]) -> None:
    outcome = vote(texts)
    assert texts.count(texts[outcome.winner]) == max(map(texts.count, texts))
    assert outcome.agreement == texts.count(texts[outcome.winner]) / len(texts)


@pytest.mark.parametrize("text", ["answer is x{}y", "answer{}", "answer is{}", "answer:{}"])
def test_blanks_take_time_in_proportion(text: str) -> None:
    def seconds(blanks: int) -> float:
        return cpu_seconds(lambda: vote([text.format(" " * blanks)]))

    assert seconds(80_000) < 40 * seconds(8_000)
