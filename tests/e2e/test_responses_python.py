"""OpenAI's official Python client, its Responses API, against the whole gateway."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import (
    FunctionToolParam,
    ResponseCompletedEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
)
from pydantic import BaseModel

from tests.e2e.conftest import World
from tests.e2e.leaving import ask_and_leave, is_left

QUESTION = "Within how many days may customers in the EU return goods?"
PICTURE = "data:image/png;base64,AA"
UNGROUNDED: dict[str, Any] = {"moorline": {"grounding": "off"}}
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": None,
}


class Weather(BaseModel):
    """What the model is asked to write."""

    city: str
    degrees: int


@pytest.fixture
def client(world: World) -> OpenAI:
    return OpenAI(base_url=world.api, api_key="anything", max_retries=0, timeout=30)


def test_a_question_is_answered_from_the_documents_with_annotations(client: OpenAI) -> None:
    response = client.responses.create(model="auto", input=QUESTION)
    assert response.status == "completed"
    assert "within 30 days of delivery" in response.output_text
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage)
    part = message.content[0]
    assert isinstance(part, ResponseOutputText)
    note = part.annotations[0]
    assert note.type == "url_citation"
    assert part.text[note.start_index : note.end_index] == "[1]"
    assert note.title == "EU returns policy"
    assert (response.model_extra or {})["moorline"]["grounded"] is True
    assert response.usage is not None
    assert response.usage.total_tokens > 0


def test_a_stream_has_all_events_in_order_and_the_same_text(client: OpenAI) -> None:
    whole = client.responses.create(model="auto", input=QUESTION)
    stream = client.responses.create(model="auto", input=QUESTION, stream=True)
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    grown = "response.output_text.delta"
    assert [kind for i, kind in enumerate(kinds) if kind != grown or kinds[i - 1] != grown] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.output_text == whole.output_text
    assert last.response.usage is not None
    deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert deltas == whole.output_text


def test_the_streaming_helper_ends_with_the_final_response(client: OpenAI) -> None:
    with client.responses.stream(model="sim/simulated", input="Hello") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text


@pytest.mark.parametrize("streamed", [True, False])
def test_tools_are_called_and_their_output_is_answered(client: OpenAI, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "Weather?"}]
    options: dict[str, Any] = {"model": "gifted", "tools": [WEATHER], "extra_body": UNGROUNDED}
    if streamed:
        with client.responses.stream(input=asked, **options) as stream:
            first: Any = stream.get_final_response()
    else:
        first = client.responses.create(input=asked, **options)
    thought, said, *calls = first.output
    assert isinstance(thought, ResponseReasoningItem)
    assert (thought.content or [])[0].text == "I should look."
    assert isinstance(said, ResponseOutputMessage)
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    for call, weather in zip(calls, ("sunny", "wet"), strict=True):
        output = {"type": "function_call_output", "call_id": call.call_id, "output": weather}
        asked += [call, output]
    second = client.responses.create(input=asked, **options)
    assert second.output_text == "The tools said: sunny; wet."


def test_what_a_client_parses_is_what_the_schema_asked_for(client: OpenAI) -> None:
    response = client.responses.parse(
        model="gifted", input="Weather?", text_format=Weather, extra_body=UNGROUNDED
    )
    assert response.output_parsed == Weather(city="Paris", degrees=21)


def test_parameters_have_the_names_that_a_chat_gives_them(client: OpenAI, world: World) -> None:
    client.responses.create(
        model="gifted",
        instructions="Be brief.",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {
                        "type": "input_image",
                        "image_url": "data:image/png;base64,AA",
                        "detail": "low",
                    },
                ],
            }
        ],
        max_output_tokens=50,
        reasoning={"effort": "low"},
        temperature=0.5,
        extra_body=UNGROUNDED,
    )
    sent = world.gifted.last
    assert (sent["reasoning_effort"], sent["temperature"]) == ("low", 0.5)
    assert sent["max_completion_tokens"] == 50
    system, user = sent["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][1]["image_url"] == {"url": PICTURE, "detail": "low"}
    assert "store" not in sent


def test_an_answer_that_was_cut_short_is_incomplete(client: OpenAI) -> None:
    response = client.responses.create(
        model="sim/simulated", input="Hello", max_output_tokens=3, extra_body=UNGROUNDED
    )
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, "tools.0.type"),
        ({"input": [{"type": "computer_call_output"}]}, "input.0.type"),
        ({"input": [{"role": "pirate", "content": "x"}]}, "input.0.role"),
        ({"input": []}, "input"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
    ],
)
def test_what_is_not_to_be_had_is_refused_by_name(
    client: OpenAI, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/responses", body={"model": "auto", "input": "x"} | body, cast_to=object)
    assert caught.value.param == param


def test_a_cut_stream_fails_and_is_an_error(client: OpenAI) -> None:
    stream = client.responses.create(
        model="broken/simulated", input="Hello", stream=True, extra_body=UNGROUNDED
    )
    kinds: list[str] = []
    with pytest.raises(openai.APIError):
        kinds.extend(event.type for event in stream)
    assert "response.completed" not in kinds


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_closes_the_upstream(world: World, stream: bool) -> None:
    upstream, model = (world.upstream, "cloud/wordy") if stream else (world.slow, "slow/thinker")
    body = {"model": model, "input": "Talk for long", "stream": stream, **UNGROUNDED}
    with is_left(upstream):
        ask_and_leave(f"{world.api}/responses", body)
