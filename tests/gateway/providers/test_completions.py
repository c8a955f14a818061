"""OpenAI's JSON as events."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.providers.completions import Garbled, Reported, Seen, speaks, usage_of, verbatim, whole
from gateway.types import Delta, Done, Usage


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **top: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return orjson.dumps({"id": "x", "model": "m", "choices": [choice], **top})


def test_a_chunk_is_a_piece_with_everything_else_that_it_carries() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}
    told = {"content": "Hi", "tool_calls": [call], "mood": "sunny"}
    choice = {"index": 1, "delta": told, "logprobs": {"content": []}, "finish_reason": None}
    assert Seen().read(orjson.dumps({"choices": [choice]})) == [
        Delta("Hi", 1, {"tool_calls": [call], "mood": "sunny"}, {"logprobs": {"content": []}})
    ]


def test_logprobs_that_are_null_say_nothing() -> None:
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": None, "finish_reason": None}
    assert Seen().read(orjson.dumps({"choices": [choice]})) == [Delta("Hi")]


def test_the_end_carries_usage_and_the_unknown_fields_of_the_top_level() -> None:
    seen = Seen()
    seen.read(chunk({"content": "Hi"}, system_fingerprint="fp", weather="fine", usage=None))
    seen.read(chunk({}, "stop"))
    counts = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    seen.read(orjson.dumps({"choices": [], "usage": counts}))
    assert seen.done("m") == Done(
        usage=Usage(3, 1), model="m", fields={"system_fingerprint": "fp", "weather": "fine"}
    )


def test_usage_that_never_came_is_to_be_estimated() -> None:
    seen = Seen()
    seen.read(chunk({"content": "Hi"}, "stop"))
    assert seen.done("m").usage == Usage(estimated=True)


def test_a_stream_is_whole_when_every_choice_has_ended() -> None:
    seen = Seen()
    seen.read(chunk({"content": "Hi"}))
    assert not seen.whole
    seen.read(chunk({}, "length"))
    assert seen.whole


def test_done_ends_the_choices_that_have_no_end() -> None:
    seen = Seen()
    seen.read(chunk({"content": "Hi"}))
    assert seen.read(b"[DONE]") == [Delta(finish="stop")]
    assert seen.whole


def test_done_alone_is_no_answer() -> None:
    seen = Seen()
    seen.read(b"[DONE]")
    assert not seen.whole


def test_a_delta_may_be_null() -> None:
    assert Seen().read(chunk(None, "stop")) == [Delta(finish="stop")]


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert Seen().read(chunk({"content": parts})) == [Delta("ab")]


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (Delta("x"), True),
        (Delta(finish="stop"), True),
        (Delta(fields={"tool_calls": [{}]}), True),
        (Delta(fields={"reasoning_content": "hm"}), True),
        (Delta(fields={"role": "assistant"}), False),
        (Delta(fields={"role": "assistant", "refusal": None, "reasoning": ""}), False),
        (Delta(), False),
    ],
)
def test_what_counts_as_content(delta: Delta, expected: bool) -> None:
    assert speaks(delta) is expected


def test_a_whole_answer_is_a_piece_for_each_choice_and_the_end() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2026",
        "service_tier": "default",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi"},
                "finish_reason": "stop",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
                "logprobs": None,
                "finish_reason": "tool_calls",
            },
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    assert whole(orjson.dumps(body), "m") == [
        Delta("Hi", 0, {"role": "assistant"}, {}, "stop"),
        Delta("", 1, {"role": "assistant", "tool_calls": [{**call, "index": 0}]}, {}, "tool_calls"),
        Done(usage=Usage(3, 2), model="m", fields={"service_tier": "default"}),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}, Usage(9, 4)),
        ({"prompt_tokens": 9, "completion_tokens": None}, Usage(9, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(9, 4, cached=8, reasoning=3),
        ),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, Usage(9)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}, Usage(9, cached=8)),
        (  # xAI: reasoning is beside the completion, not in it
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 33,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(9, 24, reasoning=20),
        ),
        (  # Gemini: only the total knows of it
            {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 33},
            Usage(9, 24, reasoning=20),
        ),
    ],
)
def test_usage(told: dict[str, Any], expected: Usage) -> None:
    assert usage_of(told) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"<html><body>Sign in</body></html>",
        b'{"choices": [{"index": 0, "mess',
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [7]}',
        b'{"choices": [{"index": 0}]}',
        b'{"choices": [{"index": "0", "message": {}}]}',
        b'{"choices": [{"index": 0, "message": {"content": 7}}]}',
        b'{"choices": [{"index": 0, "message": {"tool_calls": 7}}]}',
        b'{"choices": [{"index": 0, "message": {"content": "a"}}], "usage": 7}',
    ],
)
def test_what_is_no_completion_is_garbled(body: bytes) -> None:
    with pytest.raises(Garbled):
        whole(body, "m")


def test_calls_of_tools_that_are_no_list_are_garbled_in_every_form() -> None:
    message = {"content": "a", "tool_calls": 7}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    with pytest.raises(Garbled):
        verbatim(orjson.dumps({"choices": [choice]}), "m")
    with pytest.raises(Garbled):
        Seen().read(chunk({"tool_calls": 7}))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "overloaded"}}',
        b'{"error": "overloaded"}',
        b'{"object": "error", "message": "overloaded"}',
        b'[{"error": {"message": "overloaded"}}]',
        b'{"choices": [{"index": 0, "message": {}, "delta": {}, "finish_reason": "error"}]}',
    ],
)
def test_an_error_in_place_of_an_answer_is_reported(body: bytes) -> None:
    with pytest.raises(Reported):
        whole(body, "m")
    with pytest.raises(Reported):
        Seen().read(body)
