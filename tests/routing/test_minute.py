"""How much was taken within the last minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.minute import Minute


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=60))
def test_no_minute_ever_holds_more_than_the_limit(story: list[tuple[float, int]]) -> None:
    minute, now, sent = Minute(), 0.0, list[tuple[float, int]]()
    for passing, amount in story:
        now += passing
        if not minute.wait(amount, 10, now):
            minute.take(amount, now)
            sent.append((now, amount))
    for start, _ in sent:
        assert sum(amount for at, amount in sent if start <= at < start + 60) <= 10


def test_it_says_how_long_to_wait() -> None:
    minute = Minute()
    minute.take(4, now=0)
    minute.take(4, now=10)
    assert minute.wait(2, 10, now=20) == 0
    assert minute.wait(5, 10, now=20) == 40  # until the first four are forgotten
    assert minute.wait(10, 10, now=20) == 50


def test_what_is_larger_than_the_limit_fits_into_an_empty_minute() -> None:
    minute = Minute()
    assert minute.wait(99, 10, now=0) == 0
    minute.take(99, now=0)
    assert minute.wait(1, 10, now=1) == 59


def test_an_amount_is_put_right_when_it_is_known() -> None:
    minute = Minute()
    taken = minute.take(90, now=0)
    minute.correct(taken, 20, now=5)
    assert minute.used(5) == 20
    minute.correct(taken, 50, now=61)
    assert minute.used(61) == 0


def test_nothing_is_left_of_rounding() -> None:
    minute = Minute()
    for n in range(1000):
        minute.take(0.1, now=n / 1000)
    assert minute.used(100) == 0
    assert minute.used(100) == pytest.approx(0, abs=0)
