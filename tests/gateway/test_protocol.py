"""What a connection may send, and how slowly: over real sockets, on the real event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from gateway.config import ServerConfig
from gateway.protocol import bounded

pytestmark = pytest.mark.anyio

HOST = b"host: localhost\r\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    return "asyncio", {"use_uvloop": True}


class App:
    """Reads the body and says how long it was; remembers who left before that."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.scopes.append(scope)
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            size += len(message["body"])
            more = message["more_body"]
        body = b"%d" % size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served(app: App, **limits: Any) -> AsyncIterator[int]:
    """The port of a server with these limits."""
    config = uvicorn.Config(
        app,
        http=bounded(ServerConfig(**limits)),
        ws="none",
        lifespan="off",
        log_level="critical",
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server._serve([listening]))
        while not server.started:  # noqa: ASYNC110, it has no event of its own
            await asyncio.sleep(0)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            server.force_exit = True
            await task


async def told(port: int, *pieces: bytes) -> tuple[int, bytes, dict[str, Any]]:
    """What a client that sends this, and then waits, is answered: status, head, error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    error = orjson.loads(await reader.read())["error"]  # to the end: the connection is closed
    writer.close()
    return int(head.split()[1]), head, error


async def test_a_request_within_the_limits_is_answered_also_in_small_pieces() -> None:
    app = App()
    async with served(app, max_head_bytes=1024) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 3\r\n\r\nabc"
        for _ in range(3):
            for byte in request:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"3"
        writer.close()


async def test_a_body_in_the_same_piece_does_not_count_as_head() -> None:
    async with served(App(), max_head_bytes=1024) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 9000\r\n\r\n" + b"x" * 9000)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(4) == b"9000"
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 2000,  # one header without an end
        b"GET / HTTP/1.1\r\n" + HOST + b"x: y\r\n" * 300,
        b"GET /" + b"y" * 2000,
    ],
    ids=["one", "many", "url"],
)
async def test_a_head_over_the_limit_is_not_read_on(head: bytes) -> None:
    app = App()
    async with served(app, max_head_bytes=1024, max_headers=1000) as port:
        status, _, error = await told(port, *(head[i : i + 500] for i in range(0, 2500, 500)))
    assert (status, error["code"]) == (431, "headers_too_large")
    assert app.scopes == []


async def test_too_many_headers_are_told() -> None:
    async with served(App(), max_headers=8) as port:
        status, _, error = await told(port, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 9 + b"\r\n")
    assert (status, error["code"]) == (431, "headers_too_large")
    assert "server.max_headers" in error["message"]


async def test_a_long_url_is_told() -> None:
    url = b"/" + b"x" * 300
    async with served(App(), max_url_bytes=256) as port:
        status, _, error = await told(port, b"GET " + url + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (status, error["code"]) == (414, "url_too_long")


async def test_what_is_not_http_is_told_in_the_shape_of_every_error() -> None:
    async with served(App()) as port:
        status, _, error = await told(port, b"hello\r\n\r\n")
    assert (status, error["type"]) == (400, "invalid_request_error")


async def test_trailers_are_dropped_and_bounded() -> None:
    app = App()
    start = b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    async with served(app, max_body_bytes=1024, max_head_bytes=1024) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start + b"authorization: Bearer stolen\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert [name for name, _ in app.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]
        writer.close()
        status, _, error = await told(port, start + b"x: " + b"y" * 900, *([b"y" * 900] * 4))
    assert (status, error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("sent", "setting"),
    [
        (b"GET / HTTP/1.1\r\nx: ", "head_timeout"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 99\r\n\r\nabc", "body_timeout"),
    ],
)
async def test_what_trickles_is_given_up(sent: bytes, setting: str) -> None:
    app = App()
    async with served(app, head_timeout=0.04, body_timeout=0.04) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = asyncio.create_task(reader.read())
        while not answer.done():
            if not writer.is_closing():
                writer.write(b"y")  # a byte now and then is no excuse
            await asyncio.sleep(0.01)
        writer.close()
    head, _, body = (await answer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert f"server.{setting}" in orjson.loads(body)["error"]["message"]
    assert app.left == len(app.scopes)  # whoever waited for the body knows


async def test_the_second_request_of_a_connection_may_not_trickle_either() -> None:
    whole = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    async with served(App(), head_timeout=0.04) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(whole)
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.08)  # idle between two requests is no trickling
        writer.write(whole)
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_who_connects_and_says_nothing_is_let_go() -> None:
    async with served(App(), head_timeout=0.02) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()


async def test_one_connection_too_many_is_told_to_come_again() -> None:
    async with served(App(), max_connections=1) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        status, head, error = await told(port)
        assert (status, error["code"]) == (429, "overloaded")
        assert b"retry-after: 1\r\n" in head
        writer.close()
