"""Anthropic's official Python client against the whole gateway, with models of other makers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam, TextBlock, ThinkingBlock, ToolParam, ToolUseBlock

from gateway.accounts.keys import Accounts
from gateway.config import parse
from tests.e2e.conftest import World
from tests.e2e.leaving import ask_and_leave, is_left
from tests.serving import serving

QUESTION = "Within how many days may customers in the EU return goods?"
UNGROUNDED: dict[str, Any] = {"moorline": {"grounding": "off"}}
WEATHER: ToolParam = {
    "name": "weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
def client(world: World) -> Anthropic:
    return Anthropic(base_url=world.url, api_key="anything", max_retries=0, timeout=30)


def say(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_question_is_answered_from_the_documents(client: Anthropic) -> None:
    message = client.messages.create(model="auto", max_tokens=500, messages=say(QUESTION))
    assert "within 30 days of delivery" in text_of(message)
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    about = (message.model_extra or {})["moorline"]
    assert about["grounded"] is True
    assert about["sources"][0]["document"] == "returns-eu.md"
    assert message.usage.output_tokens > 0


def test_a_stream_tells_the_same_as_the_whole_answer(client: Anthropic) -> None:
    asked: dict[str, Any] = {
        "model": "sim/simulated", "max_tokens": 100, "messages": say(QUESTION),
    }  # fmt: skip
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert text_of(streamed) == text_of(whole)
    assert streamed.usage.output_tokens == whole.usage.output_tokens > 0
    assert streamed.usage.input_tokens == whole.usage.input_tokens


def test_the_events_are_anthropics(world: World) -> None:
    body = {"model": "sim/simulated", "max_tokens": 9, "messages": say("Hi"), "stream": True}
    with httpx.stream("POST", f"{world.api}/messages", json=body | UNGROUNDED) as response:
        lines = [line for line in response.iter_lines() if line.startswith("event: ")]
    kinds = [line.removeprefix("event: ") for line in lines]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("streamed", [True, False])
def test_tools_are_called_and_their_results_are_answered(
    client: Anthropic, streamed: bool, world: World
) -> None:
    turns = say("Weather?")
    options: dict[str, Any] = {
        "model": "gifted", "max_tokens": 100, "tools": [WEATHER], "extra_body": UNGROUNDED,
    }  # fmt: skip
    if streamed:
        with client.messages.stream(messages=turns, **options) as stream:
            first: anthropic.types.Message = stream.get_final_message()
    else:
        first = client.messages.create(messages=turns, **options)
    assert first.stop_reason == "tool_use"
    thought, said, *calls = first.content
    assert isinstance(thought, ThinkingBlock)
    assert thought.thinking == "I should look."
    assert isinstance(said, TextBlock)
    assert said.text == "Let me look."
    tools = [call for call in calls if isinstance(call, ToolUseBlock)]
    assert [call.input for call in tools] == [{"city": "Paris"}, {"city": "Rome"}]
    assert first.usage.cache_read_input_tokens == 5
    assert first.usage.input_tokens == 15
    results: Any = [
        {"type": "tool_result", "tool_use_id": call.id, "content": weather}
        for call, weather in zip(tools, ("sunny", "wet"), strict=True)
    ]
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = client.messages.create(messages=turns, **options)
    assert text_of(second) == "The tools said: sunny; wet."
    assistant = world.gifted.last["messages"][1]
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_a", "call_b"]


def test_parameters_have_the_names_that_a_chat_gives_them(client: Anthropic, world: World) -> None:
    client.messages.create(
        model="gifted",
        max_tokens=2000,
        system=[
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be kind."},
        ],
        messages=[
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
                    },
                    {"type": "text", "text": "What is this?"},
                ],
            }
        ],
        stop_sequences=["END"],
        tools=[WEATHER],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 1024},
        metadata={"user_id": "somebody"},
        extra_body=UNGROUNDED,
    )
    sent = world.gifted.last
    assert (sent["max_completion_tokens"], sent["stop"]) == (2000, ["END"])
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert sent["reasoning_effort"] == "low"
    assert "metadata" not in sent
    system, user = sent["messages"]
    assert system == {"role": "system", "content": "Be brief.\n\nBe kind."}
    assert user["content"][0]["image_url"] == {"url": "data:image/png;base64,AA=="}


def test_an_answer_that_was_cut_short_says_so(client: Anthropic) -> None:
    message = client.messages.create(
        model="sim/simulated", max_tokens=3, messages=say("Hi"), extra_body=UNGROUNDED
    )
    assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ({"model": "gpt-9"}, anthropic.NotFoundError, "not_found_error"),
        ({"max_tokens": None}, anthropic.BadRequestError, "invalid_request_error"),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            anthropic.BadRequestError,
            "invalid_request_error",
        ),
        ({"model": "down/simulated", **UNGROUNDED}, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_errors_are_of_the_classes_that_the_client_has(
    client: Anthropic, body: dict[str, Any], kind: type[anthropic.APIStatusError], told: str
) -> None:
    asked = {"model": "auto", "max_tokens": 9, "messages": say("x")} | body
    with pytest.raises(kind) as caught:
        client.post("/v1/messages", body=asked, cast_to=object)
    answered: Any = caught.value.body
    assert answered["type"] == "error"
    assert answered["error"]["type"] == told


def test_a_cut_stream_is_an_error(client: Anthropic) -> None:
    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(
            model="broken/simulated", max_tokens=99, messages=say("Hi"), extra_body=UNGROUNDED
        ) as stream,
    ):
        stream.until_done()


def test_a_key_may_come_in_anthropics_header(tmp_path: Path) -> None:
    with serving(parse(f'data = "{tmp_path}"')) as served:
        accounts: Accounts = served.app.state.gateway.accounts
        secret = accounts.store.create("somebody").secret
        accounts.refresh()
        paths = ("/v1/models", "/v1/messages/count_tokens")
        for key, expected in ((secret, 200), ("sk-moor-wrong", 401)):
            headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
            body = {"messages": say("x")}
            seen = httpx.get(served.url + paths[0], headers=headers)
            counted = httpx.post(served.url + paths[1], headers=headers, json=body)
            assert (seen.status_code, counted.status_code) == (expected, expected)
        assert counted.json()["error"]["type"] == "authentication_error"


def test_tokens_are_counted_before_they_are_sent(client: Anthropic) -> None:
    short = client.messages.count_tokens(model="auto", messages=say("Hello"))
    long = client.messages.count_tokens(
        model="auto", messages=say("Hello"), system="Be brief.", tools=[WEATHER]
    )
    assert 0 < short.input_tokens < long.input_tokens


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_closes_the_upstream(world: World, stream: bool) -> None:
    upstream, model = (world.upstream, "cloud/wordy") if stream else (world.slow, "slow/thinker")
    turns = say("Talk for long")
    body = {"model": model, "max_tokens": 900, "messages": turns, "stream": stream, **UNGROUNDED}
    with is_left(upstream):
        ask_and_leave(f"{world.api}/messages", body)
