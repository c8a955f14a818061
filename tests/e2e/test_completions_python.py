"""OpenAI's official Python client, its text completions, against the whole gateway."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.e2e.conftest import World
from tests.e2e.leaving import ask_and_leave, is_left

QUESTION = "Within how many days may customers in the EU return goods?"
UNGROUNDED: dict[str, Any] = {"moorline": {"grounding": "off"}}


@pytest.fixture
def client(world: World) -> OpenAI:
    return OpenAI(base_url=world.api, api_key="anything", max_retries=0, timeout=30)


def test_a_question_is_answered_from_the_documents(client: OpenAI) -> None:
    answer = client.completions.create(model="auto", prompt=QUESTION)
    assert "within 30 days of delivery" in answer.choices[0].text
    assert (answer.object, answer.choices[0].finish_reason) == ("text_completion", "stop")
    assert (answer.model_extra or {})["moorline"]["grounded"] is True


def test_a_stream_tells_the_same_as_the_whole_answer(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": "sim/simulated", "prompt": "Hello", "extra_body": UNGROUNDED}
    whole = client.completions.create(**asked)
    stream = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].text
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("stream", [True, False])
def test_each_of_several_prompts_has_its_choices_in_order(client: OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {
        "model": "echo/simulated", "prompt": ["one", "two", "three"], "n": 2,
        "extra_body": UNGROUNDED, "stream": stream,
    }  # fmt: skip
    answer: Any = client.completions.create(**asked)
    texts: dict[int, str] = {}
    for each in answer if stream else [answer]:
        for choice in each.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert [texts[place] for place in range(6)] == ["one", "one", "two", "two", "three", "three"]


def test_a_prompt_is_echoed_where_that_is_asked_for(client: OpenAI) -> None:
    answer = client.completions.create(
        model="echo/simulated", prompt="one ", echo=True, extra_body=UNGROUNDED
    )
    assert answer.choices[0].text == "one one"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": [[1, 2], [3]]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"suffix": "the end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"echo": True, "logprobs": 1}, "logprobs"),
        ({"prompt": ["x"] * 65, "n": 2}, "prompt"),
    ],
)
def test_what_a_chat_model_cannot_do_is_refused_by_name(
    client: OpenAI, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/completions", body={"model": "auto", "prompt": "x"} | body, cast_to=object)
    assert caught.value.param == param


def test_one_prompt_that_fails_fails_all(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.completions.create(
            model="down/simulated", prompt=["one", "two"], extra_body=UNGROUNDED
        )
    assert caught.value.status_code == 503


def test_a_cut_stream_is_an_error(client: OpenAI) -> None:
    stream = client.completions.create(
        model="broken/simulated", prompt="Hello", stream=True, extra_body=UNGROUNDED
    )
    with pytest.raises(openai.APIError):
        list(stream)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_closes_the_upstream(world: World, stream: bool) -> None:
    upstream, model = (world.upstream, "cloud/wordy") if stream else (world.slow, "slow/thinker")
    body = {"model": model, "prompt": "Talk for long", "stream": stream, **UNGROUNDED}
    with is_left(upstream):
        ask_and_leave(f"{world.api}/completions", body)
