"""OpenAI's chat format, in and out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.api.chat import ChatRequest, Chunks, _plainly_valid, completion, read_ask
from gateway.errors import InvalidRequest
from gateway.streams import Collected
from gateway.types import Delta, Done, Reference, Usage

SOURCE = Reference(1, "docs", "a.md", "v1", "Returns", "EU", None, 3, 9, 0.8, "u://a", "text", True)
DONE = Done(Usage(7, 5, cached=2), model="p/m", route="named", sources=(SOURCE,), cost_usd=0.25)


def ask(**body: Any) -> Any:
    return read_ask(orjson.dumps({"messages": [{"role": "user", "content": "Hi"}], **body}))


def test_unknown_fields_pass_through_and_known_ones_are_read() -> None:
    seen = ask(
        model="gpt", temperature=0.2, reasoning_effort="low", n=2, stream=True,
        stream_options={"include_usage": True},
        moorline={"collection": "docs", "grounding": "open", "top_k": 3, "filter": {"year": 2025}},
    )  # fmt: skip
    assert seen.params == {"temperature": 0.2, "reasoning_effort": "low"}
    assert (seen.model, seen.n, seen.stream, seen.include_usage) == ("gpt", 2, True, True)
    assert (seen.collection, seen.grounding, seen.top_k) == ("docs", "open", 3)
    assert seen.where == {"year": 2025}


def test_unknown_fields_of_a_message_are_kept() -> None:
    message = {"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}
    assert ask(messages=[message]).messages == (message,)


def test_the_question_is_the_last_user_turn_also_as_parts() -> None:
    parts = [{"type": "text", "text": "What"}, {"type": "image_url", "image_url": {"url": "x"}}]
    turns = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": [*parts, {"type": "text", "text": "is it?"}]},
        {"role": "assistant", "content": "hm"},
    ]
    assert ask(messages=turns).question == "What\nis it?"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "pirate", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"temperature": "0"}, "temperature"),
        ({"max_tokens": "100"}, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages.0"),
        ({"moorline": {"grounding": "sometimes"}}, "moorline.grounding"),
        ({"moorline": {"colection": "x"}}, "moorline.colection"),
    ],
)
def test_a_bad_field_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(**body)
    assert (caught.value.param or "").startswith(param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_ask(body)


def collected(*events: Delta | Done) -> Collected:
    whole = Collected()
    for event in events:
        whole.add(event)
    return whole


def test_a_completion_is_what_the_official_client_parses() -> None:
    whole = collected(Delta("Yes [1]. "), Delta("No [2].", finish="stop"), Delta("B", 1), DONE)
    body = ChatCompletion.model_validate_json(completion(whole, DONE, "t1"))
    first, second = body.choices
    assert (first.message.content, first.finish_reason) == ("Yes [1]. No [2].", "stop")
    assert second.message.content == "B"
    assert body.usage is not None
    assert (body.usage.prompt_tokens, body.usage.total_tokens) == (7, 12)
    (note,) = first.message.annotations or []  # [2] points to nothing
    assert (note.url_citation.start_index, note.url_citation.end_index) == (4, 7)
    assert (note.url_citation.title, note.url_citation.url) == ("Returns", "u://a")
    about = (body.model_extra or {})["moorline"]
    assert about["sources"][0]["document"] == "a.md"
    assert about["cost_usd"] == 0.25


def test_tool_calls_come_with_null_content() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    pieces = Delta(fields={"tool_calls": [{"index": 0, **call}]}, finish="tool_calls")
    told = completion(collected(pieces, DONE), DONE, "t")
    assert ChatCompletion.model_validate_json(told).choices[0].message.content is None
    [choice] = orjson.loads(told)["choices"]
    assert choice["message"]["tool_calls"] == [call]


def streamed(*events: Delta, include_usage: bool = False) -> list[dict[str, Any]]:
    chunks = Chunks("t1", "p/m", include_usage)
    lines = [line for event in events if (line := chunks.delta(event))] + [*chunks.done(DONE)]
    assert lines.pop() == b"data: [DONE]\n\n"
    bodies = [orjson.loads(line.removeprefix(b"data: ")) for line in lines]
    for body in bodies:
        ChatCompletionChunk.model_validate(body)
    return bodies


def test_the_last_chunk_carries_sources_and_cost() -> None:
    first, second, last = streamed(Delta("Yes "), Delta("[1]", finish="stop"))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "Yes "}
    assert second["choices"][0]["finish_reason"] is None
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["choices"][0]["delta"]["annotations"][0]["url_citation"]["start_index"] == 4
    assert last["moorline"]["cost_usd"] == 0.25


def test_usage_comes_last_where_it_was_asked_for() -> None:
    *_, end, usage = streamed(Delta("Yes", finish="stop"), include_usage=True)
    assert "moorline" not in end
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 12)
    assert usage["moorline"]["model"] == "p/m"


def test_every_choice_of_a_stream_begins_with_a_role_and_ends() -> None:
    bodies = streamed(Delta("a", 0), Delta("b", 1, finish="length"))
    roles = [b["choices"][0]["delta"].get("role") for b in bodies[:2]]
    ends = [(b["choices"][0]["index"], b["choices"][0]["finish_reason"]) for b in bodies[2:]]
    assert roles == ["assistant", "assistant"]
    assert ends == [(0, "stop"), (1, "length")]


_JSON = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 3), st.floats(-1, 3), st.text(max_size=3)
)
_MESSAGE = st.one_of(
    _JSON,
    st.fixed_dictionaries(
        {}, optional={"role": st.one_of(_JSON, st.just("user")), "content": _JSON, "name": _JSON}
    ),
)


@given(
    st.fixed_dictionaries(
        {"messages": st.one_of(_JSON, st.lists(_MESSAGE, max_size=2))},
        optional={
            name: _JSON for name in (*ChatRequest.model_fields, "seed") if name != "messages"
        },
    )
)
def test_what_is_plainly_valid_is_valid(raw: dict[str, Any]) -> None:
    if _plainly_valid(raw):
        ChatRequest.model_validate(raw)


def test_a_usual_request_is_plainly_valid() -> None:
    assert _plainly_valid({"model": "m", "messages": [{"role": "user", "content": "?"}]})
