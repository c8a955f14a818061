"""A window shared out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from context.budget import Budget, shared_out
from context.config import ContextConfig

SHARES = {"sources": 0.45, "history": 0.2}


def test_each_part_is_sure_of_its_share() -> None:
    assert shared_out(650, {"sources": 900, "history": 900}, SHARES) == {
        "sources": 450,
        "history": 200,
    }


def test_what_one_leaves_another_has() -> None:
    assert shared_out(650, {"sources": 900, "history": 50}, SHARES)["sources"] == 600
    assert shared_out(650, {"sources": 100, "history": 900}, SHARES)["history"] == 550


def test_nobody_gets_more_than_is_wanted() -> None:
    assert shared_out(650, {"sources": 10, "history": 0}, SHARES) == {"sources": 10, "history": 0}


@given(
    room=st.integers(-10, 10_000),
    wanted=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9_000)),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_all_that_is_wanted_is_given_or_all_that_there_is(
    room: int, wanted: dict[str, int], shares: tuple[float, ...]
) -> None:
    given_ = shared_out(room, wanted, dict(zip("abcd", shares, strict=True)))
    there = min(max(room, 0), sum(wanted.values()))
    assert there - len(wanted) <= sum(given_.values()) <= there
    assert all(given_[part] <= most for part, most in wanted.items())


def test_what_is_kept_of_a_window() -> None:
    budget = Budget.of(1_000, None, 30, 0, ContextConfig())
    assert (budget.answer, budget.margin, budget.room) == (150, 50, 770)
    assert Budget.of(1_000, 400, 0, 0, ContextConfig()).room == 550


def test_estimates_may_be_off_by_their_error_and_still_fit() -> None:
    budget = Budget.of(1_000, 100, 0, 0.2, ContextConfig())
    assert budget.room * 1.2 + 100 <= 1_000
