"""Careless models behind the gateway, seen by the official client: forms that are not kept, streams
that break off, and what a model cannot do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from gateway.config import parse
from gateway.ledger.types import Recorded, Request
from tests.e2e.conftest import background
from tests.gateway.providers.scripted import answer, chunked
from tests.gateway.providers.scripted import serving as answering
from tests.serving import Served, serving

CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.lab]
kind = "openai-compatible"
base_url = "{upstream}"
models = [
    {{ name = "fenced", input_usd_per_million = 1000, output_usd_per_million = 2000 }},
    {{ name = "wrong", input_usd_per_million = 1000, output_usd_per_million = 2000 }},
    {{ name = "hopeless" }},
    {{ name = "cuts", input_usd_per_million = 1000, output_usd_per_million = 2000 }},
    {{ name = "plain", lacks = ["vision", "tools", "json_schema"] }},
    {{ name = "blind", lacks = ["vision"], system_prompt = "You are blind." }},
    {{ name = "seeing" }},
]
[providers.gpu]
kind = "vllm"
base_url = "{upstream}"
models = [{{ name = "goes-on" }}]
[models.sturdy]
use = ["lab/cuts", "gpu/goes-on"]
[models.asked]
use = ["lab/cuts", "lab/seeing"]
[models.eyes]
use = ["lab/blind", "lab/seeing"]
[stream]
on_cut = "continue"
[dispatch]
retries = 0
retries_before_fallback = 0
"""
TEXT = "The parcel is on its way and will be with you in two working days."
SEEN = "data:image/png;base64,iVBORw0KGgo="


@dataclass
class Careless:
    """The models behind the server, by name; `asked` are the bodies of all calls."""

    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
            self.asked.append(body)
            if body.get("stream"):
                cut = body["model"] == "cuts"
                writer.write(_streamed(_said(body), cut))
                await writer.drain()
                if cut:
                    return
            else:
                writer.write(answer(json.dumps(_whole(_said(body))).encode()))


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _said(body: dict[str, Any]) -> str:
    last = body["messages"][-1]
    match body["model"]:
        case "fenced":
            return "Of course:\n```json\n{'days': 30, 'unit': \"days\",}\n```"
        case "wrong":
            again = "Answer again" in last["content"]
            return '{"days": 30, "unit": "days"}' if again else '{"days": "thirty"}'
        case "hopeless":
            return "I would rather talk."
        case "plain":
            return '{"days": 7, "unit": "weeks"}'
        case "goes-on":  # from where the last message ends
            assert body["continue_final_message"] is True
            assert body["add_generation_prompt"] is False
            return TEXT[len(last["content"]) :]
        case "seeing":  # with the last words once more, if it is asked to
            told = [m["content"] for m in body["messages"] if m["role"] == "assistant"]
            return TEXT[TEXT.index(" ".join(told[-1].split()[-2:])) :] if told else TEXT
    return TEXT


def _whole(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


def _streamed(text: str, cut: bool) -> bytes:
    words = re.findall(r"\s*\S+", text)[: 6 if cut else None]
    lines = [_event({"index": 0, "delta": {"content": word}}) for word in words]
    if cut:
        return chunked(*lines, end=False)
    usage = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    lines.append(_event({"index": 0, "delta": {}, "finish_reason": "stop"}))
    lines.append(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
    return chunked(*lines, b"data: [DONE]\n\n")


def _event(choice: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


class Window(BaseModel):
    """How long something takes."""

    days: int
    unit: str


@dataclass(frozen=True, slots=True)
class World:
    """The gateway, and the models behind it."""

    served: Served
    models: Careless

    @property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.served.url}/v1", api_key="none", max_retries=0)

    def row(self, trace_id: str) -> Request:
        """What the ledger says of a request."""
        gateway = self.served.app.state.gateway
        gateway.accounting.ledger.flush()
        found: Recorded | None = gateway.accounting.queries.trace(trace_id)
        assert found is not None
        return found.request


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    models = Careless()
    with background() as loop:
        server = answering(models)
        port = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        url = f"http://127.0.0.1:{port}/v1"
        config = parse(CONFIG.format(data=tmp_path_factory.mktemp("data"), upstream=url))
        with serving(config) as served:
            yield World(served, models)
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)


QUESTION: Any = [{"role": "user", "content": "How long does it take?"}]
PICTURE: Any = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": SEEN}},
        ],
    }
]


def test_parse_reads_an_answer_that_came_in_a_fence(world: World) -> None:
    seen = world.client.chat.completions.parse(
        model="lab/fenced", messages=QUESTION, response_format=Window
    )
    assert seen.choices[0].message.parsed == Window(days=30, unit="days")


def test_parse_reads_an_answer_that_was_asked_for_again_and_both_are_paid(world: World) -> None:
    seen = world.client.chat.completions.parse(
        model="lab/wrong", messages=QUESTION, response_format=Window
    )
    assert seen.choices[0].message.parsed == Window(days=30, unit="days")
    assert seen.usage
    assert (seen.usage.prompt_tokens, seen.usage.completion_tokens) == (20, 10)
    about: Any = seen.model_extra
    assert about["moorline"]["cost_usd"] == pytest.approx(0.02 + 0.02)


def test_a_form_that_is_never_kept_is_a_502_that_says_so(world: World) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        world.client.chat.completions.parse(
            model="lab/hopeless", messages=QUESTION, response_format=Window
        )
    assert (caught.value.status_code, caught.value.code) == (502, "invalid_structured_output")


def test_a_stream_whose_form_is_not_kept_ends_with_an_error(world: World) -> None:
    form: Any = {"type": "json_object"}
    stream = world.client.chat.completions.create(
        model="lab/hopeless", messages=QUESTION, stream=True, response_format=form
    )
    with pytest.raises(openai.APIError, match="form"):
        list(stream)


def test_a_schema_is_emulated_for_a_model_that_takes_none(world: World) -> None:
    seen = world.client.chat.completions.parse(
        model="lab/plain", messages=QUESTION, response_format=Window
    )
    assert seen.choices[0].message.parsed == Window(days=7, unit="weeks")
    asked = world.models.asked[-1]
    assert asked["response_format"] == {"type": "json_object"}
    assert '"days"' in asked["messages"][0]["content"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": PICTURE}, "messages.0.content.1"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ],
)
def test_what_the_model_cannot_take_is_a_400_with_field_and_model(
    world: World, fields: dict[str, Any], param: str
) -> None:
    before = len(world.models.asked)
    request: dict[str, Any] = {"model": "lab/plain", "messages": QUESTION, **fields}
    with pytest.raises(openai.BadRequestError, match="lab/plain") as caught:
        world.client.chat.completions.create(**request)
    assert caught.value.param == param
    assert len(world.models.asked) == before


def test_a_schema_that_is_none_is_a_400(world: World) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}}
    with pytest.raises(openai.BadRequestError, match="objekt") as caught:
        world.client.chat.completions.create(
            model="lab/fenced", messages=QUESTION, response_format=form
        )
    assert caught.value.param == "response_format.json_schema.schema"


def test_a_picture_goes_to_the_model_that_sees(world: World) -> None:
    seen = world.client.chat.completions.create(model="eyes", messages=PICTURE)
    assert seen.model == "lab/seeing"
    seen = world.client.chat.completions.create(model="eyes", messages=QUESTION)
    assert seen.model == "lab/blind"
    assert world.models.asked[-1]["messages"][0] == {"role": "system", "content": "You are blind."}


@pytest.mark.parametrize(("model", "by"), [("sturdy", "gpu/goes-on"), ("asked", "lab/seeing")])
def test_a_stream_that_is_cut_is_told_to_its_end_by_the_next_model(
    world: World, model: str, by: str
) -> None:
    stream = world.client.chat.completions.create(
        model=model, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == TEXT
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    end: Any = chunks[-1]
    assert end.moorline["continued"] == [by]
    assert end.usage.completion_tokens > 9
    row = world.row(end.moorline["trace_id"])
    assert row.status == 200
    assert row.cost_usd > 0  # of the model that broke off; the other one is free


def test_a_stream_that_nobody_goes_on_with_ends_with_an_error(world: World) -> None:
    stream = world.client.chat.completions.create(model="lab/cuts", messages=QUESTION, stream=True)
    said: list[str] = []
    with pytest.raises(openai.APIError):
        said.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert TEXT.startswith("".join(said))
