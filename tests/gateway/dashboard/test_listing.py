"""The list's filters and pages."""

from __future__ import annotations

import pytest

from gateway.dashboard.listing import PAGE, Asked, pages
from gateway.ledger.types import Filters, Page
from tests.gateway.dashboard.world import request

NOW = 1_763_800_000.0


def test_an_empty_form_filters_nothing() -> None:
    asked = Asked.of({"q": "", "status": "", "model": " ", "since": ""})
    assert asked.filters(NOW) == Filters()
    assert not asked.filtered


def test_every_field_becomes_a_filter() -> None:
    asked = Asked.of(
        {
            "q": "return",
            "status": "4xx",
            "model": "a/b",
            "key": "k_1",
            "team": "care",
            "cache": "exact",
            "degraded": "canned",
            "since": "1h",
        }
    )
    assert asked.filters(NOW) == Filters(
        text="return",
        status="4xx",
        model="a/b",
        key="k_1",
        team="care",
        cache="exact",
        degraded="canned",
        since=NOW - 3600,
    )


def test_a_window_of_moments_is_kept_and_named() -> None:
    asked = Asked.of({"since": "3600", "until": "7200"})
    assert (asked.filters(NOW).since, asked.filters(NOW).until) == (3600.0, 7200.0)
    assert asked.window == "Jan 01 01:00–02:00"


@pytest.mark.parametrize(
    "given",
    [
        {"status": "fine"},
        {"status": "600"},
        {"cache": "warm"},
        {"degraded": "badly"},
        {"since": "yesterday"},
        {"since": "9" * 400},
        {"until": "-1"},
        {"page": "two"},
        {"q": "\0"},
    ],
)
def test_values_that_mean_nothing_are_dropped(given: dict[str, str]) -> None:
    assert Asked.of(given) == Asked()


@pytest.mark.parametrize(("page", "number"), [("", 1), ("0", 1), ("3", 3), ("9" * 11, 100_000)])
def test_pages_are_numbered_from_one(page: str, number: int) -> None:
    assert Asked.of({"page": page}).number == number


def test_a_changed_filter_begins_at_the_first_page() -> None:
    asked = Asked.of({"status": "error", "page": "4"})
    assert asked.address(model="a/b") == "/traces?status=error&model=a%2Fb"
    assert asked.address(page="5") == "/traces?status=error&page=5"
    assert Asked().address() == "/traces"


def test_a_page_in_the_middle_leads_both_ways() -> None:
    found = Page(tuple(request() for _ in range(PAGE)), 3 * PAGE)
    place = pages(Asked.of({"page": "2", "q": "x"}), found)
    assert (place.first, place.last, place.total) == (51, 100, 150)
    assert (place.newer, place.older) == ("/traces?q=x&page=1", "/traces?q=x&page=3")


def test_the_only_page_leads_nowhere() -> None:
    place = pages(Asked(), Page((request(),), 1))
    assert (place.newer, place.older) == (None, None)
