"""What is equal, what is merely similar, and what is neither."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.keys import cacheable, digest, scope, settled

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


names = st.sampled_from(["temperature", "top_p", "seed", "stop", "tools", "max_tokens"])
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0**60]),
    st.text("ab ", max_size=3),
    st.lists(st.fixed_dictionaries({"type": st.text("xy", max_size=2)}), max_size=2),
)
texts = st.text('aé\u0301 ?`\n\t{"', max_size=6)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": texts},
        optional={"name": st.one_of(st.none(), st.text("xy", max_size=2))},
    ),
    min_size=1,
    max_size=3,
)
requests = st.tuples(st.dictionaries(names, values, max_size=3), messages)


def meant(request: tuple[dict[str, Any], list[dict[str, Any]]]) -> Any:
    """A request as it is to be understood, written by other rules than the ones under test."""
    params, turns = request
    given = {name: value for name, value in params.items() if value is not None}
    said = [{name: v for name, v in turn.items() if v is not None} for turn in turns]
    last = said[-1]
    code = set(last["content"]) & set('`\t{"') or "\n " in last["content"]
    if last["role"] == "user" and not code:
        last["content"] = unicodedata.normalize("NFC", last["content"]).rstrip()
    # For Python True is 1, and for JSON it is not.
    return {name: (type(v) is bool, v) for name, v in given.items()}, said


@settings(max_examples=400, deadline=None)
@given(requests, requests)
def test_two_requests_share_a_key_exactly_where_they_mean_the_same(
    one: tuple[dict[str, Any], list[dict[str, Any]]],
    other: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    keys = [scope([settled(params)], turns).exact for params, turns in (one, other)]
    assert (keys[0] == keys[1]) == (meant(one) == meant(other))


@settings(max_examples=200, deadline=None)
@given(requests, st.data())
def test_one_difference_is_another_key(
    request: tuple[dict[str, Any], list[dict[str, Any]]], data: st.DataObject
) -> None:
    params, turns = request
    at = data.draw(st.integers(0, len(turns) - 1))
    turn = {**turns[at], data.draw(st.sampled_from(["content", "name"])): data.draw(texts)}
    changed = data.draw(
        st.sampled_from(
            [
                (params, [*turns[:at], turn, *turns[at + 1 :]]),
                ({**params, data.draw(names): data.draw(values)}, turns),
                (params, [*turns, {"role": "user", "content": "And?"}]),
                (params, turns[1:] or [{"role": "user", "content": "And?"}]),
            ]
        )
    )
    keys = [scope([settled(one)], said).exact for one, said in (request, changed)]
    assert (keys[0] == keys[1]) == (meant(request) == meant(changed))


def test_what_may_be_code_stays_as_it_is() -> None:
    for text in ("`x ` ", "if x:\n  y ", "a\tb ", '"x" '):
        assert scope([], asked(text)) != scope([], asked(text.rstrip()))


def test_the_end_of_what_is_to_be_completed_matters() -> None:
    ends = [scope([], asked(text), prose=False).exact for text in ("Once upon", "Once upon ")]
    assert ends[0] != ends[1]


def test_a_lone_part_of_text_is_the_text() -> None:
    assert scope([], asked([{"type": "text", "text": "Q"}])) == scope([], asked("Q"))


def test_what_is_long_is_not_put_into_a_normal_form() -> None:
    for text, same in (("caf\u00e9 ", True), ("caf\u00e9 " * 5_000, False)):
        other = unicodedata.normalize("NFD", text)
        assert (scope(SHARED, asked(text)) == scope(SHARED, asked(other))) is same
