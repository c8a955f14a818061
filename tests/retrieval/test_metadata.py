from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from retrieval.metadata import BadMetadata, checked, given, own
from retrieval.types import Metadata

DAY = 86_400.0


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("title", "  A  title ", "A title"),
        ("groups", ["hr", "hr", "law"], ["hr", "law"]),
        ("groups", "hr, law", ["hr", "law"]),
        ("tags", "one", ["one"]),
        ("language", "en-GB", "en"),
        ("language", "DE", "de"),
        ("valid_from", "2026-03-31", 1774915200.0),
        ("valid_from", date(2026, 3, 31), 1774915200.0),
        ("valid_from", "2026-03-31T12:00:00+02:00", 1774951200.0),
        ("valid_from", datetime(2026, 3, 31, 10, tzinfo=UTC), 1774951200.0),
        ("valid_from", "1774951200", 1774951200.0),
        ("valid_from", 1774951200, 1774951200.0),
        ("valid_until", "2026-03-31", 1774915200.0 + DAY),
        ("valid_until", "2026-03-31T00:00", 1774915200.0),
        ("valid_from", 2026, 1767225600.0),
        ("valid_from", "2026", 1767225600.0),
        ("valid_until", 2025, 1767225600.0),
        ("region", "EU", "EU"),
        ("year", 2026, 2026),
        ("public", True, True),
        ("signed", date(2026, 3, 31), "2026-03-31"),
        ("owners", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_value_is_stored_in_one_form(key: str, value: object, stored: object) -> None:
    assert checked({key: value}) == {key: stored}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("groups", [], "groups is empty"),
        ("groups", 7, "groups is no list of texts"),
        ("groups", ["a", 7], "groups is no text"),
        ("tags", ["x"] * 257, "tags has more than 256 entries"),
        ("tenant", "", "tenant is no text"),
        ("title", "x" * 2_001, "title is longer than 2,000 characters"),
        ("title", "\ud800", "title is not UTF-8"),
        ("language", "English", "language is no code of two letters"),
        ("valid_from", "soon", "valid_from is no date"),
        ("valid_from", True, "valid_from is no date"),
        ("valid_from", float("nan"), "valid_from is no date"),
        ("valid_from", 11111111111111111111, "valid_from is no date"),
        ("valid_until", "-1000000000000000", "valid_until is no date"),
        ("valid_until", 10**400, "valid_until is no date"),
        ("valid_until", "2026-02-30", "valid_until is no date"),
        ("document", "a.md", "'document' is no name for a key"),
        ("a key", "x", "'a key' is no name for a key"),
        ("nested", {"a": 1}, "nested is no text"),
        ("ratio", float("inf"), "ratio is no text"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(key: str, value: object, reason: str) -> None:
    with pytest.raises(BadMetadata) as refused:
        checked({key: value})
    assert str(refused.value).startswith(reason)


def test_nothing_is_valid_backwards() -> None:
    with pytest.raises(BadMetadata, match="valid_from is not before valid_until"):
        checked({"valid_from": "2026-03-31", "valid_until": "2026-03-30"})


def test_what_a_document_says_for_others_goes_where_it_is_no_metadata() -> None:
    raw: Metadata = {"Some key": "x", "language": "English", "tags": "a, b", "draft": True}
    assert own(raw) == {"tags": ["a", "b"], "draft": True}


def test_what_a_document_says_of_itself_is_cut() -> None:
    assert own({"about": "x" * 9_000}) == {"about": "x" * 2_000}
    assert own({"years": ["2026"] * 300 + ["x"] * 9}) == {"years": ["2026"]}
    assert own({"url": "x" * 2_001}) == {}
    assert len(own({f"k{number}": number for number in range(99)})) == 64


def test_all_that_a_document_says_of_itself_has_a_bound() -> None:
    said = own({f"k{number}": "x" * 2_000 for number in range(30)})
    assert len(said) == 8


def test_who_may_see_a_document_is_not_lost_behind_what_else_it_says() -> None:
    raw: Metadata = {**{f"k{number}": "x" * 2_000 for number in range(99)}, "groups": ["hr"]}
    assert own(raw)["groups"] == ["hr"]
    with pytest.raises(BadMetadata, match="groups has more than 256 entries"):
        own({"groups": ["hr"] * 257})


def test_a_document_that_anybody_may_have_written_hides_no_other() -> None:
    raw: Metadata = {"Supersedes": "a.md", "tags": "a"}
    assert own(raw, foreign=True) == {"tags": ["a"]}
    assert own(raw) == {"supersedes": ["a.md"], "tags": ["a"]}


def test_a_document_that_says_wrongly_who_may_see_it_is_refused() -> None:
    with pytest.raises(BadMetadata, match="valid_from is no date"):
        own({"valid_from": "soon"})


@pytest.mark.parametrize("key", ["Groups", "GROUPS ", "groups"])
def test_a_key_with_a_meaning_has_it_however_it_is_spelled(key: str) -> None:
    assert checked({key: "hr"}) == own({key: "hr"}) == {"groups": ["hr"]}
    assert own({"Valid-From": "2026-03-31"}) == {"valid_from": 1774915200.0}


def test_a_command_line_says_numbers_truths_and_lists() -> None:
    pairs = ["year=2024", "ratio=0.5", "public=true", "tags=a", "tags=b", "code=007", "tenant=12"]
    assert given(pairs) == {
        "year": 2024,
        "ratio": 0.5,
        "public": True,
        "tags": ["a", "b"],
        "code": "007",
        "tenant": "12",
    }


@pytest.mark.parametrize(
    ("pair", "reason"),
    [("year", "is not key=value"), ("=2024", "is no name for a key"), ("tenant=", "is no text")],
)
def test_what_is_not_key_and_value_is_refused(pair: str, reason: str) -> None:
    with pytest.raises(BadMetadata, match=reason):
        given([pair])
