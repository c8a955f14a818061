"""A server that says exactly the bytes that it is given, and how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Literal, TypeAlias

Then: TypeAlias = Literal["keep", "close", "reset", "hold"]


def answer(
    body: bytes, status: int = 200, content_type: str = "application/json", extra: str = ""
) -> bytes:
    """A whole response with a length."""
    head = f"HTTP/1.1 {status} -\r\ncontent-type: {content_type}\r\n{extra}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces: bytes, content_type: str = "text/event-stream", end: bool = True) -> bytes:
    """A response in chunks; without its end where it is to be cut."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head.encode() + body + (b"0\r\n\r\n" if end else b"")


Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port, whose connections all end with the block."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        waited = list(tasks)
        for task in waited:
            task.cancel()
        await asyncio.gather(*waited)
        await server.wait_closed()


@dataclass
class Scripted:
    """What the server has seen."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)  # a client has closed
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def hang_up(self) -> None:
        """Close all connections."""
        for writer in list(self.writers):
            writer.close()
            await writer.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def scripted(*answers: bytes | None, then: Then = "keep") -> AsyncIterator[Scripted]:
    """Each request gets the next answer, the last one for ever; then the connection is kept,
    closed, reset or left hanging. None is to close it without an answer."""
    seen = Scripted()

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.writers.add(writer)
        try:
            while request := await _request(reader):
                seen.requests.append(request)
                said = answers[min(len(seen.requests), len(answers)) - 1]
                if said is None:
                    break
                writer.write(said)
                if then == "reset":
                    writer.transport.abort()
                if then in ("close", "reset"):
                    break
                if then == "hold":
                    await reader.read()
        finally:
            seen.hung_up.set()
            seen.writers.discard(writer)

    async with serving(answer_all) as port:
        seen.port = port
        yield seen


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until something holds."""
    while not condition():  # noqa: ASYNC110, what is waited for has no event of its own
        await asyncio.sleep(0)


async def _request(reader: asyncio.StreamReader) -> bytes:
    """A whole request, or nothing at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)
