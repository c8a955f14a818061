"""JSON that was nearly written is read as it was meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mending import LONGEST, loaded, meant


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here you are:\n```\n[1, 2]\n```\nAnything else?', [1, 2]),
        ('```json\n{"a": 1', {"a": 1}),
        ('Sure! The [best] answer: {"a": [1, 2,],} I hope.', {"a": [1, 2]}),
        ("{'a': True, b: None, \"c\": NaN}", {"a": True, "b": None, "c": None}),
        ("{a: -Infinity, b: undefined}", {"a": None, "b": None}),
        ("{'it': 'doesn't matter'}", {"it": "doesn't matter"}),
        ('{"a": "he said "hi" to me", "b": 2}', {"a": 'he said "hi" to me', "b": 2}),
        ('{“a”: “b”}', {"a": "b"}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"a": 1, // one\n "b": 2 /* two */, # end\n}', {"a": 1, "b": 2}),
        ('{"a": ["x", "y', {"a": ["x", "y"]}),
        ('{"a": {"b": [1, {"c": 2', {"a": {"b": [1, {"c": 2}]}}),
        ('{"a": 1, "b', {"a": 1}),
        ('{"a": 1, "b":', {"a": 1}),
        ('{"a": 1, "b": tru', {"a": 1}),
        ('{"a": 1, "b": -', {"a": 1}),
        ('{"a": "\\ud83d\\ude00", }', {"a": "😀"}),
        ('{"a": "x\\u12', {"a": "x"}),
        ('{"path": "C:\\dir",}', {"path": "C:\\dir"}),
        ("[1 2, 3]", [1, 2, 3]),
        ("[+3, 1_000, .5, 1e3,]", [3, 1000, 0.5, 1000.0]),
        ('{"a": 123456789012345678901234567890,}', {"a": 123456789012345678901234567890}),
    ],
)  # fmt: skip
def test_what_was_meant_is_found_first(text: str, value: Any) -> None:
    assert loaded(next(meant(text))) == value


@pytest.mark.parametrize(
    "text", ["", "no JSON at all", "{{{{", '{"a" "b"}', '{"a": 1]', "[the] end"]
)
def test_what_is_nothing_is_left_alone(text: str) -> None:
    assert list(meant(text)) == []


def test_several_candidates_are_given_in_their_order() -> None:
    assert list(meant('First {"a": 1}, then {"b": 2}.')) == ['{"a": 1}', '{"b": 2}']


@pytest.mark.parametrize("text", ["NaN", "{", '{"a": 1} x', "[" * 100_000])
def test_loading_is_as_strict_as_the_standard(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loaded(text)


def test_what_is_too_long_is_not_mended() -> None:
    assert list(meant("[" + "1," * LONGEST)) == []


@given(st.text(st.sampled_from("{}[]\"',:0-1.e \n\\ut#/N`“”"), max_size=60))
@settings(max_examples=500, deadline=None)
def test_whatever_comes_out_is_json(text: str) -> None:
    for candidate in meant(text):
        loaded(candidate)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=4), PLAIN)


@given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, min_size=1, max_size=4), st.data())
@settings(max_examples=300, deadline=None)
def test_a_text_that_was_cut_keeps_its_shape(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cut = text[: data.draw(st.integers(min_value=1, max_value=len(text) - 1))]
    found = loaded(next(meant(cut), "{}"))
    assert isinstance(found, dict)
    whole = list(found)[:-1]
    assert {key: found[key] for key in whole} == {key: value[key] for key in whole}


def test_quotes_before_comments_without_end_are_given_up() -> None:
    assert list(meant('{"a": "' + '"#' * 20_000 + "\nx")) == []
