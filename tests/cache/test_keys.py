"""What is equal, what is merely similar, and what is neither."""

from __future__ import annotations

from typing import Any

import pytest

from cache.keys import cacheable, digest, scope

SHARED = ["team", "model", {"temperature": 0}, ["docs", 7, "strict"]]
TURN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def asked(text: Any) -> list[dict[str, Any]]:
    return [*TURN, {"role": "user", "content": text}]


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


def test_the_same_request_has_the_same_scope() -> None:
    assert scope(SHARED, asked("How long?")) == scope(list(SHARED), asked("How long?"))


def test_another_question_is_similar_and_not_equal() -> None:
    one, other = scope(SHARED, asked("How long?")), scope(SHARED, asked("For how long?"))
    assert one.similar == other.similar
    assert one.exact != other.exact


@pytest.mark.parametrize(
    ("shared", "messages"),
    [
        pytest.param([*SHARED[:-1], ["docs", 8, "strict"]], asked("Q"), id="another generation"),
        pytest.param(["other", *SHARED[1:]], asked("Q"), id="another team"),
        pytest.param(SHARED, asked("Q")[1:], id="other earlier turns"),
        pytest.param(SHARED, [*TURN, {"role": "tool", "content": "Q"}], id="a tool's result"),
        pytest.param(
            SHARED, [*TURN, {"role": "user", "content": "Q", "name": "Ann"}], id="another name"
        ),
        pytest.param(
            SHARED,
            asked(
                [{"type": "text", "text": "Q"}, {"type": "image_url", "image_url": {"url": "x"}}]
            ),
            id="an image",
        ),
    ],
)
def test_is_neither_equal_nor_similar(shared: list[Any], messages: list[dict[str, Any]]) -> None:
    one, other = scope(SHARED, asked("Q")), scope(shared, messages)
    assert one.exact != other.exact
    assert one.similar != other.similar


def test_a_tools_result_is_never_merely_similar() -> None:
    results = [[*TURN, {"role": "tool", "content": text}] for text in ("12 °C", "13 °C")]
    assert scope(SHARED, results[0]).similar != scope(SHARED, results[1]).similar


@pytest.mark.parametrize(
    ("params", "fit"),
    [
        ({}, True),
        ({"temperature": None}, True),
        ({"temperature": 0.3, "n": 1}, True),
        ({"temperature": 0.31}, False),
        ({"n": 2}, False),
    ],
)
def test_a_request_that_wants_variety_is_not_cached(params: dict[str, Any], fit: bool) -> None:
    assert cacheable(params, 0.3) is fit
