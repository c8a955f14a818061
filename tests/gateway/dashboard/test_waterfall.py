"""Spans as bars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.waterfall import waterfall
from gateway.tracing.trace import Span

MS = 1_000_000


def test_bars_are_in_proportion() -> None:
    fall = waterfall([Span("embed", 10 * MS, 30 * MS)], latency_ms=100)
    (row,) = fall.rows
    assert (row.left, row.width, row.ms, row.start_ms) == (10.0, 20.0, 20.0, 10.0)


def test_the_axis_reaches_a_span_that_outlived_the_request() -> None:
    fall = waterfall([Span("keep", 0, 200 * MS)], latency_ms=100)
    assert fall.ms == 200
    assert fall.rows[0].width == 100


def test_a_span_that_never_ended_reaches_to_the_end() -> None:
    (row,) = waterfall([Span("stream", 40 * MS)], latency_ms=100).rows
    assert row.unfinished
    assert (row.left, row.width) == (40.0, 60.0)


def test_a_failed_span_is_an_error() -> None:
    (row,) = waterfall([Span("dispatch", 0, MS, error="NoModelAvailable: none")]).rows
    assert (row.tone, row.error) == ("error", "NoModelAvailable: none")


def test_a_span_lies_within_those_that_are_still_open() -> None:
    spans = [
        Span("dispatch", 0, 10 * MS),
        Span("stream", 10 * MS, 50 * MS),
        Span("judge", 12 * MS, 49 * MS),
        Span("inner", 13 * MS, 14 * MS),
        Span("keep", 50 * MS, 51 * MS),
    ]
    assert [row.depth for row in waterfall(spans).rows] == [0, 0, 1, 2, 0]


def test_a_span_that_outlasts_another_does_not_lie_within_it() -> None:
    rows = waterfall([Span("stream", 0, 10 * MS), Span("judge", 5 * MS, 20 * MS)]).rows
    assert [row.depth for row in rows] == [0, 0]


def test_the_first_token_has_its_place() -> None:
    assert waterfall([], latency_ms=200, ttft_ms=50).first_token == 25.0
    assert waterfall([], latency_ms=200).first_token is None


def test_nothing_at_all_is_an_empty_waterfall() -> None:
    fall = waterfall([])
    assert fall.rows == ()
    assert fall.ms > 0


def test_the_axis_is_marked_at_round_durations() -> None:
    assert [tick.label for tick in waterfall([], latency_ms=4160).ticks] == ["1 s", "2 s", "3 s"]


spans = st.builds(
    Span, st.just("x"), st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12)
)


@given(st.lists(spans, max_size=20), st.floats(min_value=0, max_value=1e9))
def test_no_bar_leaves_the_picture(found: list[Span], latency_ms: float) -> None:
    for row in waterfall(found, latency_ms).rows:
        assert 0 <= row.left <= 100
        assert 0 <= row.width <= 100.001 - row.left
