"""Where between a cheap and a strong model the line is drawn."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.operating import OperatingPoints, Point, StrongShare, points_of

LEVELS = [i / 10 for i in range(11)]


def points(qualities: list[float]) -> OperatingPoints:
    return points_of(LEVELS, LEVELS, qualities, [quality - 0.02 for quality in qualities])


RISING = points([0.80, 0.84, 0.87, 0.90, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0, 1.0])


def test_a_floor_is_kept_with_as_few_strong_calls_as_do() -> None:
    assert RISING.keeping(0.95).share == 0.5
    assert RISING.keeping(0.5).share == 0.0


def test_a_floor_that_no_point_keeps_asks_the_strong_model_always() -> None:
    assert RISING.keeping(1.1) == RISING.points[-1]


def test_a_point_whose_quality_sinks_again_with_more_strong_calls_is_not_trusted() -> None:
    lucky = points([0.80, 0.96, 0.87, 0.90, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0, 1.0])
    assert lucky.keeping(0.95).share == 0.5


def test_below_its_threshold_a_probability_is_not_enough() -> None:
    point = RISING.keeping(0.95)
    assert not point.enough(point.threshold - 0.01)
    assert point.enough(point.threshold)


def test_a_share_is_not_exceeded() -> None:
    assert RISING.sharing(0.3).share == 0.3
    assert RISING.sharing(0.39).share == 0.3
    assert RISING.sharing(0.0).share == 0.0
    assert RISING.sharing(1.0).share == 1.0


@given(st.lists(st.floats(0, 1.2), min_size=11, max_size=11), st.floats(0, 1.2), st.floats(0, 1.2))
def test_who_wants_more_gets_no_fewer_strong_calls(
    qualities: list[float], one: float, other: float
) -> None:
    less, more = sorted((one, other))
    made = points(qualities)
    assert made.keeping(less).share <= made.keeping(more).share
    assert made.keeping(less).threshold <= made.keeping(more).threshold
    assert made.sharing(less).share <= made.sharing(more).share


@given(st.lists(st.floats(0, 1), min_size=11, max_size=11))
def test_thresholds_rise_with_the_share(thresholds: list[float]) -> None:
    made = points_of(thresholds, LEVELS, LEVELS, LEVELS).points
    assert all(one.threshold <= other.threshold for one, other in pairwise(made))


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        (Point(0, 0, 1, 1),),
        (Point(0, 0.1, 1, 1), Point(1, 1, 1, 1)),
        (Point(0.5, 0, 1, 1), Point(0.4, 1, 1, 1)),
    ],
)
def test_points_that_do_not_go_from_never_to_always_are_refused(wrong: tuple[Point, ...]) -> None:
    with pytest.raises(ValueError, match="Operating points"):
        OperatingPoints(wrong)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (8, 2), (2, 8)])
def test_a_share_is_kept_whatever_is_asked(share: float, shape: tuple[int, int]) -> None:
    random, keeper = Random(13), StrongShare(RISING, share)
    asked = [not keeper.enough(random.betavariate(*shape)) for _ in range(4000)]
    assert abs(sum(asked[1000:]) / 3000 - share) < 0.03


def test_a_share_begins_as_on_the_held_out_questions() -> None:
    assert StrongShare(RISING, 0.3).threshold == pytest.approx(0.4)
