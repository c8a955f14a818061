"""How figures are written."""

from __future__ import annotations

import pytest

from gateway.dashboard import figures


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (0, "0"),
        (9_999, "9,999"),
        (12_345, "12.3k"),
        (999_400, "999k"),
        (999_950, "1.00M"),
        (1_234_567, "1.23M"),
        (2.5e9, "2.50B"),
    ],
)
def test_counts_are_short_above_ten_thousand(value: float | None, written: str) -> None:
    assert figures.compact(value) == written


@pytest.mark.parametrize(
    ("usd", "written"),
    [
        (None, "–"),
        (0, "$0"),
        (1e-9, "<$0.000001"),
        (0.0000123, "$0.000012"),
        (0.00042, "$0.00042"),
        (0.0042, "$0.0042"),
        (0.42, "$0.42"),
        (0.999, "$1.00"),
        (12.345, "$12.35"),
        (1234.5, "$1,234.50"),
        (123_456, "$123k"),
    ],
)
def test_small_money_keeps_two_telling_digits(usd: float | None, written: str) -> None:
    assert figures.money(usd) == written


@pytest.mark.parametrize(
    ("ms", "written"),
    [
        (None, "–"),
        (0, "0 µs"),
        (0.0234, "23 µs"),
        (4.256, "4.26 ms"),
        (42.04, "42.0 ms"),
        (999.4, "999 ms"),
        (999.9, "1.00 s"),
        (12_340, "12.3 s"),
        (59_970, "1 m 00 s"),
        (3_725_000, "1 h 02 m"),
    ],
)
def test_durations_are_in_the_unit_that_fits(ms: float | None, written: str) -> None:
    assert figures.duration(ms) == written


@pytest.mark.parametrize(
    ("share", "written"),
    [(None, "–"), (0, "0%"), (0.0004, "<0.1%"), (0.123, "12.3%"), (0.9996, ">99.9%"), (1, "100%")],
)
def test_a_rare_case_is_not_rounded_away(share: float | None, written: str) -> None:
    assert figures.percent(share) == written


@pytest.mark.parametrize(
    ("ms", "written"),
    [(0, "0"), (0.2, "200 µs"), (250, "250 ms"), (2500, "2.5 s"), (60_000, "1 m")],
)
def test_marks_on_an_axis_are_round(ms: float, written: str) -> None:
    assert figures.mark(ms) == written


def test_moments_are_utc() -> None:
    assert figures.moment(0) == "Jan 01 00:00:00"
    assert figures.iso(0) == "1970-01-01T00:00:00Z"


def test_a_span_names_the_second_day_only_where_it_differs() -> None:
    assert figures.span(0, 1800) == "Jan 01 00:00–00:30"
    assert figures.span(0, 86_400) == "Jan 01 00:00–Jan 02 00:00"


def test_a_score_that_is_no_number_is_shown_as_it_is() -> None:
    assert figures.score(0.12345) == "0.123"
    assert figures.score("high") == "high"
    assert figures.score(None) == "–"
