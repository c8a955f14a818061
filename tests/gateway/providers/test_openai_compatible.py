"""A provider by URL: what it sends, when an answer has begun, and every way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from context.types import Prompt
from gateway.errors import ProviderError, ProviderTimeout, WindowExceeded
from gateway.providers.base import Call
from gateway.providers.config import ModelConfig, OpenAICompatibleProvider
from gateway.providers.openai_compatible import OpenAICompatible, joined
from gateway.providers.wire.client import Client
from gateway.types import Delta, Done, Event
from tests.gateway.providers.scripted import Scripted, answer, chunked, scripted, serving

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret"
MESSAGES = ({"role": "user", "content": "Where is my parcel?", "name": "Ada"},)
HTML = b"<!doctype html><html><body>Sign in</body></html>"
SHORT = 0.05


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.aclose()


def provider(client: Client, server: Scripted, **settings: Any) -> OpenAICompatible:
    config = {"models": [ModelConfig(name="m")], "api_key": KEY, **settings}
    return OpenAICompatible(
        OpenAICompatibleProvider(kind="openai-compatible", base_url=server.url, **config), client
    )


def call(stream: bool = True, **params: Any) -> Call:
    return Call("m", Prompt(MESSAGES), stream, params)


def event(text: str = "", finish: str | None = None, **delta: Any) -> bytes:
    if text:
        delta["content"] = text
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n"


END = b"data: [DONE]\n\n"
ROLE = event(role="assistant", content="")
PLAIN = answer(
    orjson.dumps(
        {
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Here."},
                    "finish_reason": "stop",
                }
            ]
        }
    )
)


def sent(server: Scripted) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    return body


async def told(subject: OpenAICompatible, asked: Call) -> list[Event]:
    return [event async for event in await subject.start(asked)]


async def refusal(client: Client, raw: bytes, stream: bool, then: Any = "keep") -> ProviderError:
    """How a call fails before anything has been shown."""
    async with scripted(raw, then=then) as server:
        with pytest.raises(ProviderError) as failure:
            await provider(client, server).start(call(stream))
    return failure.value


async def test_the_body_is_the_prompt_and_the_parameters_as_they_are(client: Client) -> None:
    async with scripted(PLAIN) as server:
        await told(provider(client, server), call(False, temperature=0.5, moon="full"))
    assert sent(server) == {
        "model": "m",
        "messages": list(MESSAGES),
        "temperature": 0.5,
        "moon": "full",
    }


async def test_a_stream_asks_for_usage_beside_the_callers_options(client: Client) -> None:
    async with scripted(chunked(event("a", "stop"), END)) as server:
        await told(provider(client, server), call(stream_options={"chunk_size": 1}))
    assert sent(server)["stream"] is True
    assert sent(server)["stream_options"] == {"chunk_size": 1, "include_usage": True}


async def test_it_does_not_where_the_configuration_says_so(client: Client) -> None:
    async with scripted(chunked(event("a", "stop"), END)) as server:
        await told(provider(client, server, stream_usage=False), call())
    assert "stream_options" not in sent(server)


async def test_key_and_headers_are_sent_and_own_headers_win(client: Client) -> None:
    async with scripted(PLAIN) as server:
        headers = {"X-Team": "blue", "Authorization": "Basic abc"}
        await told(provider(client, server, headers=headers), call(False))
    lines = server.requests[0].lower().split(b"\r\n")
    assert b"x-team: blue" in lines
    assert b"authorization: basic abc" in lines
    assert not any(b"bearer" in line for line in lines)


async def test_messages_may_be_any_mapping(client: Client) -> None:
    message: Mapping[str, Any] = MappingProxyType({"role": "user", "content": "Hi"})
    async with scripted(PLAIN) as server:
        await told(provider(client, server), Call("m", Prompt((message,)), False))
    assert sent(server)["messages"] == [dict(message)]


async def test_what_cannot_be_written_as_json_is_refused_unsent(client: Client) -> None:
    async with scripted(PLAIN) as server:
        with pytest.raises(ProviderError, match="JSON"):
            await provider(client, server).start(call(False, stop="\ud800"))
    assert not server.requests


async def test_a_stream_has_begun_with_its_first_content(client: Client) -> None:
    raw = chunked(ROLE, event("He"), end=False)
    async with scripted(raw, then="hold") as server:
        events = await provider(client, server).start(call())
        assert await anext(events) == Delta("He", fields={"role": "assistant"})
        await events.aclose()


def test_what_came_together_goes_together() -> None:
    call = {"tool_calls": [{"index": 0}]}
    pieces = [Delta("a", fields={"role": "assistant"}), Delta("b"), Delta("x", 1), Delta("c"),
              Delta(fields=call), Delta("d"), Delta(finish="stop"), Delta("e")]  # fmt: skip
    assert joined(pieces) == [
        Delta("ab", fields={"role": "assistant"}),
        Delta("x", 1),
        Delta("c"),
        Delta("d", fields=call, finish="stop"),
        Delta("e"),
    ]


@pytest.mark.parametrize(
    "preamble", [ROLE, b": keep-alive\n\n", b""], ids=["role", "comment", "nothing"]
)
async def test_what_fails_before_the_first_content_fails_in_start(
    client: Client, preamble: bytes
) -> None:
    failure = await refusal(client, chunked(preamble or b"\n", end=False), True, "close")
    assert "inside its answer" in failure.message
    assert failure.retryable


async def test_a_tool_call_is_content(client: Client) -> None:
    calls = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]
    async with scripted(chunked(ROLE, event(tool_calls=calls), end=False), then="hold") as server:
        events = await provider(client, server).start(call())
        await events.aclose()


@pytest.mark.parametrize(
    "preamble",
    [(ROLE,) * 70, (ROLE, b": " + b"x" * 300_000 + b"\n\n")],
    ids=["many events", "many bytes"],
)
async def test_an_endless_preamble_is_not_held_back_for_ever(
    client: Client, preamble: tuple[bytes, ...]
) -> None:
    async with scripted(chunked(*preamble, end=False), then="hold") as server:
        events = await asyncio.wait_for(provider(client, server).start(call()), 5)
        await events.aclose()


async def test_comments_do_not_keep_a_silent_stream_alive_for_ever(client: Client) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(chunked(ROLE, end=False))
        while True:
            writer.write(b"e\r\n: keep-alive\n\n\r\n")
            await writer.drain()
            await asyncio.sleep(SHORT / 5)

    async with serving(serve) as port:
        subject = provider(client, Scripted(port), first_byte_timeout=SHORT)
        with pytest.raises(ProviderTimeout, match="no content"):
            await subject.start(call())


async def test_a_server_that_does_not_stream_is_read_as_it_answers(client: Client) -> None:
    async with scripted(PLAIN) as server:
        events = await told(provider(client, server), call())
    assert [type(each) for each in events] == [Delta, Done]


async def test_the_connection_is_kept_after_a_stream(client: Client) -> None:
    async with scripted(chunked(event("a", "stop"), END)) as server:
        subject = provider(client, server)
        for _ in range(3):
            await told(subject, call())
    assert server.connections == 1


async def test_events_after_done_are_not_read(client: Client) -> None:
    async with scripted(chunked(event("a", "stop"), END, event("b"))) as server:
        events = await told(provider(client, server), call())
    assert "".join(each.text for each in events if isinstance(each, Delta)) == "a"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (answer(HTML, content_type="text/html"), "HTML"),
        (answer(HTML), "HTML"),
        (answer(b""), "empty"),
        (answer(b'{"choices": [{"index": 0, "mess'), "not JSON"),
        (answer(b"{}"), "no choices"),
        (answer(b'{"error": {"message": "Out of memory."}}'), "Out of memory"),
    ],
    ids=["page", "page as JSON", "empty", "truncated", "no choices", "error inside"],
)
async def test_a_success_that_is_none_is_a_failure(
    client: Client, raw: bytes, reason: str, stream: bool
) -> None:
    failure = await refusal(client, raw, stream)
    assert reason in failure.message
    assert failure.retryable


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ((), "ends before it is whole"),
        ((ROLE,), "ends before it is whole"),
        ((END,), "ends before it says anything"),
        ((ROLE, END), "ends before it says anything"),
        ((b'data: {"error": {"message": "Out of memory.", "code": 503}}\n\n',), "Out of memory"),
        ((b"data: {not json}\n\n",), "not JSON"),
        ((b"Internal Server Error",), "ends before it is whole"),
        ((event("a"), b'data: {"error": "gone"}\n\n'), "gone"),
    ],
    ids=[
        *("nothing", "role", "done", "role and done", "error", "garbage", "words"),
        "error in the first burst",
    ],
)
async def test_a_stream_that_says_nothing_of_use_fails_in_start(
    client: Client, pieces: tuple[bytes, ...], reason: str
) -> None:
    failure = await refusal(client, chunked(*pieces), True)
    assert reason in failure.message


@pytest.mark.parametrize(
    ("raw", "then", "reason"),
    [
        (chunked(event("He"), event("llo"), end=False), "close", "inside its answer"),
        (chunked(event("He"), event("llo"), end=False), "reset", "inside its answer"),
        (chunked(event("He"), event("llo")), "keep", "ends before it is whole"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
            + event("He")
            + event("llo"),
            "close",
            "ends before it is whole",
        ),
    ],
    ids=["cut", "reset", "clean end without an end", "connection's end without an end"],
)
async def test_a_stream_that_ends_early_never_looks_complete(
    client: Client, raw: bytes, then: Any, reason: str
) -> None:
    """The first burst may hold all of it: then nothing is shown at all."""
    async with scripted(raw, then=then) as server:
        with pytest.raises(ProviderError, match=reason):
            await told(provider(client, server), call())


class Slowly:
    """A server that writes its pieces one by one, each when it is told to."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.go = iter(pieces), asyncio.Semaphore(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in self.pieces:
            await self.go.acquire()
            writer.write(piece)
        await self.go.acquire()


async def shown(client: Client, *pieces: bytes) -> tuple[str, ProviderError]:
    """What is shown of a stream whose pieces come one by one, and how it fails at its end."""
    slowly = Slowly(chunked(event("He"), end=False), *pieces)
    async with serving(slowly.serve) as port:
        events = await provider(client, Scripted(port)).start(call())
        text = ""

        async def read() -> None:
            nonlocal text
            async for each in events:
                assert isinstance(each, Delta)
                text += each.text
                slowly.go.release()

        for _ in pieces:  # those that hold no whole event release nothing
            slowly.go.release()
        with pytest.raises(ProviderError) as failure:
            await asyncio.wait_for(read(), 5)
    return text, failure.value


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_cut_inside_a_character_shows_what_came_before_it(client: Client) -> None:
    ship = event("llo 🚢")
    text, failure = await shown(client, framed(ship[: ship.index("🚢".encode()) + 2]))
    assert text == "He"
    assert "inside its answer" in failure.message


async def test_an_error_inside_a_stream_comes_after_what_was_said(client: Client) -> None:
    error = b'data: {"error": {"message": "Out of memory.", "type": "server_error"}}\n\n'
    text, failure = await shown(client, framed(event("llo") + error))
    assert text == "Hello"
    assert "Out of memory" in failure.message
    assert failure.upstream_status == 500


async def test_a_character_that_is_cut_between_chunks_is_put_together(client: Client) -> None:
    ship = event("🚢", "stop") + END
    place = ship.index("🚢".encode()) + 2
    async with scripted(chunked(ship[:place], ship[place:])) as server:
        events = await told(provider(client, server), call())
    assert events[0] == Delta("🚢", finish="stop")


async def test_a_giant_line_is_not_read_on(client: Client) -> None:
    raw = chunked(*[b"data: " + b"x" * 2**20] + [b"x" * 2**20] * 8, end=False)
    failure = await refusal(client, raw, True, "hold")
    assert "larger than" in failure.message


async def test_silence_inside_a_stream_ends_it(client: Client) -> None:
    raw = chunked(event("He"), end=False)
    async with scripted(raw, then="hold") as server:
        events = await provider(client, server, idle_timeout=SHORT).start(call())
        assert await anext(events) == Delta("He")
        with pytest.raises(ProviderTimeout, match="silent"):
            await anext(events)
        await asyncio.wait_for(server.hung_up.wait(), 1)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_no_answer_at_all_is_a_timeout(client: Client, stream: bool) -> None:
    async with scripted(b"", then="hold") as server:
        subject = provider(client, server, first_byte_timeout=SHORT, total_timeout=2 * SHORT)
        with pytest.raises(ProviderTimeout):
            await subject.start(call(stream))
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_a_plain_answer_may_take_longer_than_a_streams_beginning(client: Client) -> None:
    slowly = Slowly(PLAIN)
    slowly.go = asyncio.Semaphore(0)
    async with serving(slowly.serve) as port:
        subject = provider(client, Scripted(port), first_byte_timeout=SHORT)
        answered = asyncio.create_task(told(subject, call(False)))
        await asyncio.sleep(3 * SHORT)
        slowly.go.release()
        assert len(await answered) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_nobody_listening(client: Client, stream: bool) -> None:
    async with scripted(b"") as server:
        pass
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1") as failure:
        await provider(client, server).start(call(stream))
    assert failure.value.retryable


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_connection_that_ends_without_an_answer(
    client: Client, then: Any, stream: bool
) -> None:
    failure = await refusal(client, b"", stream, then)
    assert failure.retryable
    assert failure.upstream_status is None


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_too_many_requests_says_how_long_to_wait(client: Client, stream: bool) -> None:
    body = b'{"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}'
    failure = await refusal(client, answer(body, 429, extra="Retry-After: 7\r\n"), stream)
    assert (failure.upstream_status, failure.retryable, failure.retry_after) == (429, True, 7.0)


async def test_a_prompt_that_is_too_long_is_recognised(client: Client) -> None:
    body = b'{"error": {"message": "Too long.", "code": "context_length_exceeded"}}'
    assert isinstance(await refusal(client, answer(body, 400), True), WindowExceeded)


async def test_a_redirect_is_not_followed(client: Client) -> None:
    failure = await refusal(client, answer(b"", 307, extra="location: /elsewhere\r\n"), False)
    assert (failure.upstream_status, failure.retryable) == (307, False)


async def test_an_endless_error_body_is_not_read_to_its_end(client: Client) -> None:
    raw = chunked(*[b"no " * 10_000] * 100, end=False).replace(b"200 OK", b"500 -")
    failure = await asyncio.wait_for(refusal(client, raw, True, "hold"), 5)
    assert failure.upstream_status == 500


async def test_the_key_is_in_no_error_and_no_repr(client: Client) -> None:
    echo = orjson.dumps({"error": {"message": f"Wrong key: Bearer {KEY} / custom-secret"}})
    async with scripted(answer(echo, 401)) as server:
        subject = provider(client, server, headers={"x-key": "custom-secret"})
        with pytest.raises(ProviderError) as failure:
            await subject.start(call())
    error = failure.value
    seen = [repr(subject), repr(error), str(error.body()), repr(error.__cause__), repr(vars(error))]
    assert not [each for each in seen if KEY in each or "custom-secret" in each]


async def test_a_cancelled_start_closes_the_upstream(client: Client) -> None:
    async with scripted(chunked(ROLE, end=False), then="hold") as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(provider(client, server).start(call()), SHORT)
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_the_models_that_a_server_lists(client: Client) -> None:
    async with scripted(answer(b'{"data": [{"id": "a"}, {"id": "b"}]}')) as server:
        assert await provider(client, server).served() == ["a", "b"]
    assert server.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\n")


async def test_a_server_that_lists_none_is_a_failure(client: Client) -> None:
    async with scripted(answer(b'{"detail": "Not found"}')) as server:
        with pytest.raises(ProviderError, match="no list of models"):
            await provider(client, server).served()


@pytest.mark.parametrize("asked", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("known", ["max_tokens", "max_completion_tokens"])
async def test_the_bound_on_an_answer_goes_by_the_name_that_the_server_knows(
    client: Client, asked: str, known: str
) -> None:
    async with scripted(PLAIN) as server:
        subject = provider(client, server, output_limit=known)
        await subject.start(call(stream=False, **{asked: 7}))
        body = orjson.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert {key: value for key, value in body.items() if key.startswith("max_")} == {known: 7}
