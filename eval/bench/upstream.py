"""A simulated OpenAI-compatible server over HTTP, fast enough to measure gateways against.

`python -m eval.bench.upstream --port N --delay-ms 0 --chunks 60`, or `async with Upstream(...)` in
a test. It answers every chat with the same words and can be told to be slow or to fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, cast

import click
import httptools
import orjson

Fault: TypeAlias = Literal["none", "status", "cut", "stall", "reset"]

WORDS = (
    *("The", "parcel", "is", "on", "its", "way", "and", "will", "be", "with", "you", "in"),
    *("two", "working", "days", "unless", "the", "weather", "holds", "it", "up", "at"),
    *("the", "harbour", "where", "it", "waits", "for", "the", "evening", "boat"),
)
PROMPT_TOKENS = 42
PACED = "paced"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does. Seconds throughout."""

    chunks: int = 60  # of a choice; a word each
    delay: float = 0.0  # before the answer, or before a stream's first token
    chunk_delay: float = 0.0  # between a stream's tokens
    pace: float = 0.0  # the same, for the model PACED alone
    fault: Fault = "none"
    status: int = 500  # of the fault `status`
    retry_after: str | None = None  # sent with it
    share: float = 1.0  # of the calls that the fault befalls, evenly spread
    after: int = 3  # chunks before a cut or a stall
    key: str | None = None  # wanted as a bearer token, where set


class Upstream:
    """A listening server. Counts what came and who left before the end."""

    def __init__(
        self,
        behaviour: Behaviour = Behaviour(),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.behaviour = behaviour
        self.calls = 0
        self.connections = 0
        self.left = 0  # connections that were closed while they were being answered
        self.last: dict[str, Any] = {}  # the last call's body
        self.somebody_left = asyncio.Event()
        self.peers: set[_Peer] = set()
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Base URL that ends in /v1."""
        return f"http://{self._host}:{self._port}/v1"

    async def __aenter__(self) -> Upstream:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for peer in list(self.peers):
            peer.hang_up()
        await self._server.wait_closed()

    def faulty(self) -> bool:
        """Whether the current call is one of those that fail."""
        share = self.behaviour.share
        return self.behaviour.fault != "none" and (
            int(self.calls * share) > int((self.calls - 1) * share)
        )


class _Peer(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._token = b""
        self._body: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._upstream.connections += 1
        self._upstream.peers.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._upstream.peers.discard(self)
        if self._timer:
            self._timer.cancel()
        if self._answering:
            self._upstream.left += 1
            self._upstream.somebody_left.set()

    def hang_up(self) -> None:
        self._answering = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._token = value.removeprefix(b"Bearer ")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, body = self._path, b"".join(self._body)
        self._path = b""
        self._body = []
        if path.endswith(b"/chat/completions"):
            self._complete(body)
        elif path.endswith(b"/models"):
            self._transport.write(_json(200, {"object": "list", "data": [_model("simulated")]}))
        elif path == b"/health":
            self._transport.write(_json(200, {}))
        else:
            self._transport.write(_error(404, "There is no such path.", "not_found"))

    def _complete(self, body: bytes) -> None:
        upstream, behaviour = self._upstream, self._upstream.behaviour
        upstream.calls += 1
        if behaviour.key and self._token != behaviour.key.encode():
            told = f"Incorrect API key provided: {self._token.decode()}."
            self._transport.write(_error(401, told, "invalid_api_key"))
            return
        asked = upstream.last = orjson.loads(body)
        options = asked.get("stream_options") or {}
        stream = bool(asked.get("stream"))
        pieces = _pieces(
            asked.get("model", ""),
            stream,
            asked.get("n") or 1,
            bool(options.get("include_usage")),
            behaviour.chunks,
        )
        fault = behaviour.fault if upstream.faulty() else "none"
        between = behaviour.pace if asked.get("model") == PACED else behaviour.chunk_delay
        if fault == "status":
            pieces = (
                _error(behaviour.status, "It was told to fail.", None, behaviour.retry_after),
            )
        elif fault == "reset":
            self._transport.abort()
            return
        elif fault != "none":
            pieces = _broken_off(pieces, stream, behaviour.after)
        if fault == "none" and not behaviour.delay and not (stream and between):
            self._transport.write(_joined(pieces))
            return
        self._answering = True
        self._later(behaviour.delay, iter(pieces), between, fault)

    def _later(self, wait: float, pieces: Iterator[bytes], between: float, fault: Fault) -> None:
        if wait:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait, self._speak, pieces, between, fault)
        else:
            self._speak(pieces, between, fault)

    def _speak(self, pieces: Iterator[bytes], between: float, fault: Fault) -> None:
        """Send pieces until a delay or the end."""
        for piece in pieces:
            self._transport.write(piece)
            if between:
                self._later(between, pieces, between, fault)
                return
        if fault == "stall":
            return
        self._answering = False
        if fault == "cut":
            self._transport.close()


@lru_cache(maxsize=256)
def _pieces(model: str, stream: bool, n: int, usage: bool, chunks: int) -> tuple[bytes, ...]:
    """What is written, a token apart; a plain answer is one piece."""
    counts = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": chunks * n,
        "total_tokens": PROMPT_TOKENS + chunks * n,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    words = [WORDS[i % len(WORDS)] + " " for i in range(chunks)]
    top = {"id": "chatcmpl-simulated", "created": 1_700_000_000, "model": model}
    top["system_fingerprint"] = "fp_simulated"
    if not stream:
        message = {"role": "assistant", "content": "".join(words)}
        choices = [{"index": i, "message": message, "finish_reason": "stop"} for i in range(n)]
        body = {**top, "object": "chat.completion", "choices": choices, "usage": counts}
        return (_json(200, body),)
    top["object"] = "chat.completion.chunk"
    events = [_choice(top, i, {"role": "assistant", "content": ""}) for i in range(n)]
    events += [_choice(top, i, {"content": word}) for word in words for i in range(n)]
    events += [_choice(top, i, {}, "stop") for i in range(n)]
    if usage:
        events.append({**top, "choices": [], "usage": counts})
    framed = [_chunk(b"data: " + orjson.dumps(event) + b"\n\n") for event in events]
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return (head + framed[0], *framed[1:], _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


@lru_cache(maxsize=256)
def _joined(pieces: tuple[bytes, ...]) -> bytes:
    return b"".join(pieces)


def _broken_off(pieces: tuple[bytes, ...], stream: bool, after: int) -> tuple[bytes, ...]:
    """The beginning of an answer: some chunks of a stream, or half of a body."""
    return pieces[: after + 1] if stream else (pieces[0][: -len(pieces[0]) // 3],)


def _choice(
    top: dict[str, Any], index: int, delta: dict[str, Any], finish: str | None = None
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**top, "choices": [choice]}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulated"}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _json(status: int, body: Any, extra: bytes = b"") -> bytes:
    data = orjson.dumps(body)
    head = b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
    return head % (status, extra, len(data)) + data


def _error(status: int, message: str, code: str | None, retry_after: str | None = None) -> bytes:
    extra = b"retry-after: %b\r\n" % retry_after.encode() if retry_after else b""
    error = {"message": message, "type": "simulated_error", "param": None, "code": code}
    return _json(status, {"error": error}, extra)


async def _serve(behaviour: Behaviour, host: str, port: int) -> None:
    async with Upstream(behaviour, host=host, port=port) as upstream:
        click.echo(f"ready {upstream.url}")
        await asyncio.Event().wait()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; it is printed.")
@click.option("--delay-ms", default=0.0, help="Before the first token.")
@click.option("--chunk-delay-ms", default=0.0, help="Between tokens of a stream.")
@click.option("--pace-ms", default=0.0, help="The same, for the model `paced` alone.")
@click.option("--chunks", default=60, show_default=True, help="Tokens of an answer.")
@click.option(
    "--fault", default="none", type=click.Choice(["none", "status", "cut", "stall", "reset"])
)
@click.option("--status", default=500, show_default=True, help="Of the fault `status`.")
@click.option("--retry-after", default=None, help="Header sent with the fault `status`.")
@click.option("--share", default=1.0, show_default=True, help="Share of calls that fail.")
@click.option("--key", default=None, help="Bearer token that is wanted.")
def main(
    host: str,
    port: int,
    delay_ms: float,
    chunk_delay_ms: float,
    pace_ms: float,
    chunks: int,
    fault: Fault,
    status: int,
    retry_after: str | None,
    share: float,
    key: str | None,
) -> None:
    """A simulated OpenAI-compatible server."""
    import uvloop

    behaviour = Behaviour(
        chunks=chunks,
        delay=delay_ms / 1000,
        chunk_delay=chunk_delay_ms / 1000,
        pace=pace_ms / 1000,
        fault=fault,
        status=status,
        retry_after=retry_after,
        share=share,
        key=key,
    )
    uvloop.run(_serve(behaviour, host, port))


if __name__ == "__main__":
    main()
