"""What a filter means, in whichever form it is written, and where it is wrong."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.filters import (
    ALWAYS,
    NEVER,
    Condition,
    Every,
    Exists,
    Not,
    OneOf,
    Some,
    Within,
    condition,
    moment,
    simplified,
)
from retrieval.types import BadFilter

EU, YEAR = OneOf("region", ("EU",)), Within("year", (("gte", 2024.0),))

READ: list[tuple[str, Condition]] = [
    ("", ALWAYS),
    ('region = "EU"', EU),
    ("region == 'EU'", EU),
    ('region != "EU"', Not(EU)),
    ('"region" = "EU"', EU),
    (r'region = "E\"U"', OneOf("region", ('E"U',))),
    ("year >= 2024", YEAR),
    ("year < -1.5e3", Within("year", (("lt", -1500.0),))),
    ("public = true", OneOf("public", (True,))),
    ("valid_from >= 2024-01-01", Within("valid_from", (("gte", 1_704_067_200.0),))),
    ("at > 2024-01-01T01:00+01:00", Within("at", (("gt", 1_704_067_200.0),))),
    ('tags contains "x"', OneOf("tags", ("x",))),
    ('tags not contains "x"', Not(OneOf("tags", ("x",)))),
    ('status in ("draft", "old")', OneOf("status", ("draft", "old"))),
    ("year not in [2023, 2024]", Not(OneOf("year", (2023.0, 2024.0)))),
    ("status in ()", OneOf("status", ())),
    ("url exists", Exists("url")),
    ("url not exists", Not(Exists("url"))),
    ('region = "EU" AND year >= 2024', Every((EU, YEAR))),
    ('region = "EU" or year >= 2024 and url exists', Some((EU, Every((YEAR, Exists("url")))))),
    ('(region = "EU" or year >= 2024) and url exists', Every((Some((EU, YEAR)), Exists("url")))),
    ('not region = "EU" and year>=2024', Every((Not(EU), YEAR))),
    ('not (region = "EU")', Not(EU)),
    ("dotted.key-x exists", Exists("dotted.key-x")),
    ("größe exists", Exists("größe")),
]


@pytest.mark.parametrize(("text", "meant"), READ)
def test_text_is_read(text: str, meant: Condition) -> None:
    assert condition(text) == meant


WRONG: list[tuple[str, int, str]] = [
    ("region = EU", 10, "text in quotes"),
    ("region", 7, "=, !="),
    ('region = "EU', 10, "closing quote"),
    ('region = "EU" and', 18, "a field's name"),
    ('region = "EU" year > 1', 15, "`and`, `or` or the end"),
    ('(region = "EU"', 15, "closing parenthesis"),
    ('region in "EU"', 11, "a list in parentheses"),
    ('region in ("EU" "US")', 17, "a comma"),
    ('year >= "2024"', 9, "a number or a date"),
    ("at >= 2024-13-01", 7, "a date that there is"),
    ("year not 2024", 10, "in, contains or exists"),
    ("year >= 1e999", 9, "within all bounds"),
    ("year ! 2024", 6, "a field, a sign or a value"),
    ("= 3", 1, "a field's name"),
    ("and", 1, "a field's name"),
    ("year in (2023,)", 15, "a value"),
]


@pytest.mark.parametrize(("text", "at", "expected"), WRONG)
def test_what_is_wrong_is_told_with_its_place_and_what_was_expected(
    text: str, at: int, expected: str
) -> None:
    with pytest.raises(BadFilter, match=rf"at character {at},.* expected .*") as told:
        condition(text)
    assert expected in str(told.value)


OPENAI: list[tuple[dict[str, Any], str]] = [
    ({"type": "eq", "key": "region", "value": "EU"}, 'region = "EU"'),
    ({"type": "ne", "key": "region", "value": "EU"}, 'region != "EU"'),
    ({"type": "gte", "key": "year", "value": 2024}, "year >= 2024"),
    ({"type": "lt", "key": "year", "value": 2024.5}, "year < 2024.5"),
    ({"type": "in", "key": "year", "value": [1, "x"]}, 'year in (1, "x")'),
    ({"type": "nin", "key": "year", "value": [1]}, "year not in (1)"),
    (
        {
            "type": "and",
            "filters": [
                {"type": "or", "filters": [{"type": "eq", "key": "a", "value": True}]},
                {"type": "lte", "key": "b", "value": 3},
            ],
        },
        "a = true and b <= 3",
    ),
]


@pytest.mark.parametrize(("given", "text"), OPENAI)
def test_openais_form_means_the_same_as_text(given: dict[str, Any], text: str) -> None:
    assert simplified(condition(given)) == condition(text)


def test_a_mapping_means_the_same_as_text() -> None:
    given = {"region": "EU", "year": {"gte": 2024, "lt": 2026}, "tags": ["a", "b"], "public": True}
    text = 'region = "EU" and tags in ("a", "b") and public = true'
    *_, bounds = [one for one in condition(given).conditions if isinstance(one, Within)]  # type: ignore[union-attr]
    assert bounds == Within("year", (("gte", 2024.0), ("lt", 2026.0)))
    left = {key: value for key, value in given.items() if key != "year"}
    assert condition(left) == condition(text)


def test_a_mapping_may_have_dates_as_bounds() -> None:
    given = {"valid_from": {"gte": "2024-01-01"}}
    assert simplified(condition(given)) == condition("valid_from >= 2024-01-01")


@pytest.mark.parametrize(
    "given",
    [
        {"type": "eq", "key": "a", "value": [1]},
        {"type": "in", "key": "a", "value": 1},
        {"type": "like", "key": "a", "value": "x"},
        {"type": "not", "filters": []},
        {"type": "and", "filters": [{"key": "a"}]},
        {"type": "and", "filters": "all"},
        {"type": "gt", "key": "a", "value": "x"},
        {"type": "eq", "key": "", "value": "x"},
        {"year": {"gte": float("inf")}},
        {"year": 10**400},
        7,
    ],
)
def test_what_is_no_filter_is_refused(given: Any) -> None:
    with pytest.raises(BadFilter):
        condition(given)


@pytest.mark.parametrize("deep", ["(" * 5000, "not " * 3000 + "a exists"])
def test_text_that_is_nested_without_end_is_refused(deep: str) -> None:
    with pytest.raises(BadFilter, match="deep"):
        condition(deep)


@pytest.mark.parametrize(
    "broad",
    [
        {"year": list(range(3_000))},
        {"type": "in", "key": "year", "value": list(range(3_000))},
        {"type": "or", "filters": [{"type": "eq", "key": "a", "value": 1}] * 1_000},
    ],
)
def test_filters_with_too_many_values_are_refused(broad: dict[str, Any]) -> None:
    with pytest.raises(BadFilter, match="at most 2,000"):
        condition(broad)


def test_openais_filters_that_are_nested_without_end_are_refused() -> None:
    given: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(100):
        given = {"type": "and", "filters": [given]}
    with pytest.raises(BadFilter, match="deep"):
        condition(given)


@given(st.text(max_size=60) | st.text("ab=<>()[]'\" ,0123-not in exists", max_size=60))
def test_any_text_is_a_filter_or_a_bad_one(text: str) -> None:
    with suppress(BadFilter):
        condition(text)


def test_constants_are_folded() -> None:
    nothing = OneOf("a", ())
    assert simplified(Every((ALWAYS, EU))) == EU
    assert simplified(Every((EU, nothing))) == NEVER
    assert simplified(Some((EU, nothing))) == EU
    assert simplified(Not(nothing)) == ALWAYS
    assert simplified(Some((EU, Not(nothing)))) == ALWAYS
    assert simplified(Not(Every(()))) == NEVER


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-02", 86_400.0), ("1970-01-01T00:00:01Z", 1.0), ("soon", None), ("1970-02-31", None)],
)
def test_a_moment_is_read(text: str, seconds: float | None) -> None:
    assert moment(text) == seconds


def test_a_day_ends_with_its_last_second() -> None:
    assert moment("1970-01-01", end=True) == 86_400.0
    assert moment("1970-01-01T00:00:01", end=True) == 1.0
