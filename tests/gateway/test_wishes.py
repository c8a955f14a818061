"""What the two headers say together."""

from __future__ import annotations

from math import inf

import pytest

from gateway.errors import InvalidRequest
from gateway.wishes import USUAL, Wishes, wishes_of


def of(cache_control: str = "", ours: str = "") -> Wishes:
    headers = {b"cache-control": cache_control.encode(), b"x-moorline-cache": ours.encode()}
    return wishes_of({name: value for name, value in headers.items() if value})


def test_a_request_that_says_nothing_is_the_usual_one() -> None:
    assert of() is USUAL


@pytest.mark.parametrize(
    ("cache_control", "wishes"),
    [
        ("no-store", Wishes(keep=False)),
        ("no-cache", Wishes(read=False)),
        ("max-age=60", Wishes(max_age=60)),
        ('max-age="60"', Wishes(max_age=60)),
        ("No-Cache, No-Store", Wishes(read=False, keep=False)),
        ("only-if-cached,max-age=5 , max-age=9", Wishes(only=True, max_age=5)),
        ("max-stale=60, no-transform, max-ages=3", USUAL),
    ],
)
def test_cache_control_is_read_as_http_says(cache_control: str, wishes: Wishes) -> None:
    assert of(cache_control) == wishes


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "²"])
def test_nothing_is_fresh_enough_for_an_age_that_is_none(value: str) -> None:
    assert of(f"max-age={value}").max_age == 0


@pytest.mark.parametrize(
    ("ours", "wishes"),
    [
        ("on", Wishes(hot=True)),
        ("off", Wishes(read=False, keep=False)),
        ("Refresh", Wishes(read=False)),
        ("only", Wishes(only=True, hot=True)),
    ],
)
def test_the_own_header_is_one_word(ours: str, wishes: Wishes) -> None:
    assert of(ours=ours) == wishes


def test_what_one_header_forbids_the_other_does_not_allow() -> None:
    assert of("no-store, max-age=9", "on") == Wishes(keep=False, hot=True, max_age=9)


def test_a_word_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        of(ours="bypass")
    assert caught.value.param == "x-moorline-cache"
    assert USUAL.max_age == inf
