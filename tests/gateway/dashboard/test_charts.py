"""Charts as geometry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.charts import (
    HEIGHT,
    LABELS,
    TOP,
    Axis,
    Series,
    line,
    lines,
    nice_scale,
    stacked,
    time_ticks,
)
from gateway.dashboard.figures import compact, percent

HOUR = 3600.0


def axis(steps: int, step: float = HOUR) -> Axis:
    return Axis(tuple(step * i for i in range(steps)), step)


@pytest.mark.parametrize(
    ("highest", "scale"),
    [
        (0, [0, 1]),
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (3, [0, 1, 2, 3]),
        (117, [0, 50, 100, 150]),
        (4200, [0, 2000, 4000, 6000]),
        (0.3, pytest.approx([0, 0.1, 0.2, 0.3])),
    ],
)
def test_a_scale_is_round(highest: float, scale: list[float]) -> None:
    assert nice_scale(highest) == scale


@given(st.floats(min_value=1e-9, max_value=1e12), st.integers(min_value=2, max_value=8))
def test_a_scale_reaches_the_highest_value_in_few_intervals(highest: float, most: int) -> None:
    scale = nice_scale(highest, most)
    assert scale[-1] >= highest * (1 - 1e-9)
    assert 2 <= len(scale) <= most + 1


def test_bars_stand_on_each_other() -> None:
    good = Series("OK", "ok", (6, 0))
    bad = Series("Error", "error", (2, 4))
    chart = stacked("Requests", axis(2), [good, bad], compact)
    first, second, third = chart.bars
    assert (first.tone, second.tone, third.tone) == ("ok", "error", "error")
    assert first.y + first.height == HEIGHT
    assert second.y + second.height == pytest.approx(first.y)
    assert third.y + third.height == HEIGHT
    assert first.height == pytest.approx(3 * second.height, abs=0.05)


def test_the_highest_bar_leaves_room_above_itself() -> None:
    chart = stacked("Requests", axis(1), [Series("OK", "ok", (100,))], compact)
    assert chart.bars[0].y == TOP


def test_one_error_among_thousands_is_still_seen() -> None:
    series = [Series("OK", "ok", (5000,)), Series("Error", "error", (1,))]
    assert stacked("Requests", axis(1), series, compact).bars[1].height >= 2


def test_a_line_breaks_where_there_are_no_figures() -> None:
    drawn = line(Series("p50", "first", (1, 2, None, 3, 4)), top=4)
    assert drawn.path == "M0.5 104L1.5 72M3.5 40L4.5 8"
    assert drawn.dots == ""


def test_a_figure_without_neighbours_is_a_dot() -> None:
    drawn = line(Series("p50", "first", (None, 2, None)), top=4)
    assert drawn.path == ""
    assert drawn.dots == "M1.5 72h0"


def test_rates_are_drawn_between_nothing_and_all() -> None:
    chart = lines("Rates", axis(2), [Series("Hits", "first", (0.1, 0.2))], percent, top=1.0)
    assert [tick.label for tick in chart.y_ticks] == ["0%", "25%", "50%", "75%", "100%"]


def test_a_chart_without_figures_says_so() -> None:
    assert stacked("Requests", axis(2), [Series("OK", "ok", (0, 0))], compact).empty
    assert lines("Latency", axis(2), [Series("p50", "first", (None, None))], compact).empty
    assert not lines("Latency", axis(2), [Series("p50", "first", (None, 1))], compact).empty


def test_each_step_tells_its_figures() -> None:
    series = [Series("OK", "ok", (6, 0)), Series("Error", "error", (2, 4))]
    chart = stacked("Requests", axis(2), series, compact)
    assert chart.columns[1].note == "Jan 01 01:00–02:00\nOK: 0\nError: 4"
    assert (chart.columns[1].start, chart.columns[1].end) == (HOUR, 2 * HOUR)


def test_who_cannot_see_a_chart_is_told_its_range() -> None:
    chart = stacked("Requests", axis(2), [Series("OK", "ok", (6, 9))], compact)
    assert "OK between 6 and 9" in chart.summary


@pytest.mark.parametrize(
    ("steps", "step", "labels"),
    [
        (60, 60, ["00:10", "00:20", "00:30", "00:40", "00:50"]),
        (48, 1800, ["03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]),
        (56, 10_800, ["Jan 02", "Jan 03", "Jan 04", "Jan 05", "Jan 06", "Jan 07"]),
        (60, 43_200, ["Jan 06", "Jan 11", "Jan 16", "Jan 21", "Jan 26"]),
        (0, 60, []),
    ],
)
def test_times_are_labelled_at_round_moments(steps: int, step: float, labels: list[str]) -> None:
    assert [tick.label for tick in time_ticks(axis(steps, step))] == labels


@given(
    st.integers(min_value=1, max_value=400),
    st.sampled_from((60, 1800, 10_800, 43_200)),
    st.integers(min_value=0, max_value=2_000_000_000),
)
def test_labels_never_crowd(steps: int, step: int, start: int) -> None:
    first = start // step * step
    ticks = time_ticks(Axis(tuple(float(first + step * i) for i in range(steps)), step))
    assert len(ticks) <= LABELS + 1
    assert all(0 <= tick.at <= 100 for tick in ticks)
