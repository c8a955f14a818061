"""Clouds through litellm: one contract over simulated servers that speak their wire formats."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias

import pytest

from context.types import Prompt
from gateway.errors import ProviderError, WindowExceeded
from gateway.providers.base import Call
from gateway.providers.litellm import LiteLLM
from gateway.types import Delta, Done, Event, Events
from tests.gateway.providers.clouds.anthropic import Anthropic
from tests.gateway.providers.clouds.azure import Azure
from tests.gateway.providers.clouds.bedrock import Bedrock
from tests.gateway.providers.clouds.cloud import SECRET, TEXT, TOOL, Cloud, events, told
from tests.gateway.providers.clouds.gemini import Gemini
from tests.gateway.providers.clouds.vertex import Vertex, VertexAnthropic
from tests.gateway.providers.scripted import Scripted, answer, scripted

# Warnings from inside litellm are its own.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

CLOUDS: tuple[Cloud, ...] = (Anthropic(), Azure(), Bedrock(), Gemini(), Vertex(), VertexAnthropic())
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {
        "type": "function",
        "function": {"name": "find_parcel", "description": "Where it is.", "parameters": SCHEMA},
    }
]


@pytest.fixture
def anyio_backend() -> str:
    """litellm's clients are not ours, so one event loop will do."""
    return "asyncio"


@pytest.fixture(params=CLOUDS, ids=lambda cloud: str(cloud.name))
def cloud(request: pytest.FixtureRequest) -> Cloud:
    chosen: Cloud = request.param
    return chosen


@asynccontextmanager
async def serving(cloud: Cloud, *answers: bytes) -> AsyncIterator[tuple[LiteLLM, Scripted]]:
    async with scripted(*cloud.before(), *answers, then="keep") as server:
        yield LiteLLM(cloud.config(server.port)), server


def call(cloud: Cloud, *, stream: bool = False, image: str = "", **params: Any) -> Call:
    content: list[dict[str, Any]] = [{"type": "text", "text": "Where is my parcel?"}]
    if image:
        content.append({"type": "image_url", "image_url": {"url": image}})
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": content})
    return Call(cloud.config(1).models[0].name, Prompt(messages), stream, params)


async def answered(provider: LiteLLM, asked: Call) -> tuple[list[Delta], Done]:
    *deltas, done = [event async for event in await provider.start(asked)]
    assert isinstance(done, Done)
    return [delta for delta in deltas if isinstance(delta, Delta)], done


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def finish(deltas: list[Delta]) -> list[str]:
    return [delta.finish for delta in deltas if delta.finish]


async def test_a_plain_answer(cloud: Cloud) -> None:
    async with serving(cloud, cloud.plain(TEXT)) as (provider, _):
        deltas, done = await answered(provider, call(cloud))
    assert (text(deltas), finish(deltas)) == (TEXT.text, ["stop"])
    assert done.usage == cloud.usage


async def test_a_streamed_answer_comes_in_its_pieces(cloud: Cloud) -> None:
    async with serving(cloud, cloud.streamed(TEXT)) as (provider, _):
        deltas, done = await answered(provider, call(cloud, stream=True))
    assert tuple(delta.text for delta in deltas if delta.text) == TEXT.pieces
    assert finish(deltas) == ["stop"]
    assert done.usage == cloud.usage


async def test_a_tool_is_called(cloud: Cloud) -> None:
    async with serving(cloud, cloud.plain(TOOL)) as (provider, _):
        deltas, _done = await answered(provider, call(cloud, tools=TOOLS))
    [tool] = deltas[0].fields["tool_calls"]
    assert tool["function"]["name"] == TOOL.tool
    assert json.loads(tool["function"]["arguments"]) == TOOL.arguments
    assert (text(deltas), finish(deltas)) == (TOOL.text, ["tool_calls"])


async def test_a_tool_is_called_in_a_stream(cloud: Cloud) -> None:
    async with serving(cloud, cloud.streamed(TOOL)) as (provider, _):
        deltas, done = await answered(provider, call(cloud, stream=True, tools=TOOLS))
    pieces = [piece for delta in deltas for piece in delta.fields.get("tool_calls", ())]
    assert {piece["index"] for piece in pieces} == {0}
    names = [name for piece in pieces if (name := piece["function"].get("name"))]
    arguments = "".join(piece["function"].get("arguments") or "" for piece in pieces)
    assert names == [TOOL.tool]
    assert json.loads(arguments) == TOOL.arguments
    assert (text(deltas), finish(deltas)) == (TOOL.text, ["tool_calls"])
    assert done.usage == cloud.usage


async def test_the_request_is_as_the_cloud_expects_it(cloud: Cloud) -> None:
    async with serving(cloud, cloud.plain(TEXT)) as (provider, server):
        asked = call(cloud, image=f"data:image/png;base64,{PIXEL}", tools=TOOLS, max_tokens=50)
        await answered(provider, asked)
    head, _, body = server.requests[-1].decode().partition("\r\n\r\n")
    seen = cloud.asked(head, json.loads(body))
    assert seen.secret
    assert (seen.system, seen.user) == ("Be brief.", "Where is my parcel?")
    assert (seen.image, seen.limit) == (PIXEL, 50)
    assert seen.tools == {"find_parcel": SCHEMA}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("status", "retryable"), [(400, False), (401, False), (429, True), (500, True), (0, True)]
)
async def test_an_error_keeps_its_status_and_its_words(
    cloud: Cloud, status: int, retryable: bool, stream: bool
) -> None:
    status = status or cloud.overloaded
    said = cloud.error(status, f"No, not with {SECRET} today.", "retry-after: 7\r\n")
    async with serving(cloud, said) as (provider, _):
        with pytest.raises(ProviderError) as caught:
            await answered(provider, call(cloud, stream=stream))
    error = caught.value
    assert (error.upstream_status, error.retryable) == (status, retryable)
    assert "No, not with" in error.message
    assert "Traceback" not in error.message
    if not cloud.before():  # else it is a token, which is short-lived, and not ours
        assert SECRET not in error.message
    if status == 429:
        assert error.retry_after == 7


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_prompt_that_is_too_long_for_the_model(cloud: Cloud, stream: bool) -> None:
    async with serving(cloud, cloud.too_long()) as (provider, _):
        with pytest.raises(WindowExceeded):
            await answered(provider, call(cloud, stream=stream))


@pytest.mark.parametrize("end", [True, False], ids=["ended", "broken off"])
async def test_a_stream_that_is_cut_is_a_failure(cloud: Cloud, end: bool) -> None:
    heard: list[Event] = []
    said = cloud.streamed(TEXT, whole=False, end=end)
    async with scripted(*cloud.before(), said, then="keep" if end else "close") as server:
        provider = LiteLLM(cloud.config(server.port))
        events = await provider.start(call(cloud, stream=True))
        with pytest.raises(ProviderError):
            await collect(events, heard)
    assert "".join(e.text for e in heard if isinstance(e, Delta)) == TEXT.text
    assert not any(isinstance(event, Done) for event in heard)


async def test_an_error_inside_a_stream_is_a_failure() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Too many."}}
    cloud = Anthropic()
    begun = cloud.streamed(TEXT, whole=False, end=False)
    said = begun + events([error], named=True).partition(b"\r\n\r\n")[2]
    heard: list[Event] = []
    async with serving(cloud, said) as (provider, _):
        answer = await provider.start(call(cloud, stream=True))
        with pytest.raises(ProviderError, match="Too many"):
            await collect(answer, heard)
    assert "".join(e.text for e in heard if isinstance(e, Delta)) == TEXT.text


async def test_google_says_in_the_body_how_long_to_wait() -> None:
    cloud = Gemini()
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}
    error = {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}
    async with serving(cloud, told({"error": {**error, "details": [retry]}}, 429)) as (provider, _):
        with pytest.raises(ProviderError, match=r"Slow down\.$") as caught:
            await provider.start(call(cloud))
    assert caught.value.retry_after == 12.5


async def test_whoever_stops_listening_closes_the_connection(cloud: Cloud) -> None:
    said = cloud.streamed(TEXT, end=False)
    async with scripted(*cloud.before(), said, then="keep") as server:
        events = await LiteLLM(cloud.config(server.port)).start(call(cloud, stream=True))
        server.hung_up.clear()
        await events.aclose()
        async with asyncio.timeout(5):
            await server.hung_up.wait()


async def collect(events: Events, heard: list[Event]) -> None:
    async for event in events:
        heard.append(event)


async def test_an_empty_stream_is_a_failure(cloud: Cloud) -> None:
    empty = answer(b"", content_type="text/event-stream")
    async with serving(cloud, empty) as (provider, _):
        with pytest.raises(ProviderError):
            await provider.start(call(cloud, stream=True))


PictureAt: TypeAlias = Callable[[str], dict[str, Any]]
PICTURES: dict[str, PictureAt] = {
    "image_url": lambda url: {"type": "image_url", "image_url": {"url": url}},
    "bare": lambda url: {"type": "image_url", "image_url": url},
    "file": lambda url: {"type": "file", "file": {"file_data": url, "format": "image/png"}},
    "source": lambda url: {"type": "image", "source": {"type": "url", "url": url}},
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
async def test_a_picture_is_not_fetched_for_the_caller(cloud: Cloud, picture: PictureAt) -> None:
    """The gateway stands where the caller does not, so it must not look up addresses for it."""
    inside: AbstractAsyncContextManager[Scripted] = scripted(answer(b"private"))
    async with inside as private, serving(cloud, cloud.plain(TEXT)) as (provider, _):
        asked = call(cloud)
        part = picture(f"http://127.0.0.1:{private.port}/picture.png")
        content = [{"type": "text", "text": "See https://example.com/."}, part]
        asked = Call(asked.model, Prompt(({"role": "user", "content": content},)), False, {})
        with suppress(ProviderError):  # Azure is given the address, and may look it up itself
            await answered(provider, asked)
        assert private.connections == 0


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
async def test_whoever_sends_an_address_where_data_is_needed_is_told_so(picture: PictureAt) -> None:
    cloud = Bedrock()
    part = picture("https://example.com/picture.png")
    async with serving(cloud, cloud.plain(TEXT)) as (provider, server):
        prompt = Prompt(({"role": "user", "content": [part]},))
        with pytest.raises(ProviderError, match="data: URLs") as caught:
            await provider.start(Call(call(cloud).model, prompt, False, {}))
        assert (caught.value.upstream_status, caught.value.param) == (400, "messages")
        assert not caught.value.retryable
        assert server.connections == 0
