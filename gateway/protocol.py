"""HTTP/1.1 as uvicorn speaks it, with bounds on what a connection may send and how slowly.

It knows bytes and time, not what is asked. A request within the bounds pays two comparisons; what
is late is found by a timer of each connection, which looks a few times while something could be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.api.guard import CLIENT, Headers
from gateway.config import ServerConfig
from gateway.errors import (
    GatewayError,
    HeadTooLarge,
    InvalidRequest,
    Overloaded,
    TooLarge,
    TooSlow,
    UrlTooLong,
)

LOOKS = 4  # in the shorter of the two timeouts
LINGER = 1.0  # seconds in which a refused client may read why, before the connection is cut


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes, numbers and seconds."""

    head: int
    headers: int
    url: int
    message: int  # body, chunk sizes and trailers
    connections: int
    head_timeout: float
    body_timeout: float

    @property
    def look_every(self) -> float:
        return min(self.head_timeout, self.body_timeout) / LOOKS


def bounded(server: ServerConfig) -> type[asyncio.Protocol]:
    """The protocol with a configuration's bounds, as uvicorn wants it: a class."""

    class Bounded(BoundedProtocol):
        bounds = Bounds(
            head=server.max_head_bytes,
            headers=server.max_headers,
            url=server.max_url_bytes,
            # The body's own limit is the door's; here it may come in small chunks.
            message=2 * server.max_body_bytes + server.max_head_bytes,
            connections=server.max_connections,
            head_timeout=server.head_timeout,
            body_timeout=server.body_timeout,
        )

    return Bounded


class _Trailers(list[tuple[bytes, bytes]]):
    """Where headers after a chunked body go: nowhere. Nobody has checked them."""

    def append(self, header: tuple[bytes, bytes]) -> None:
        pass


_NOWHERE = _Trailers()


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    bounds: Bounds

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._room = self.bounds.head  # bytes that may still come before it is too much
        self._in_head = True  # of a request that is coming, or that may come
        self._refused: GatewayError | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._looked_at: object = None  # the request that the last look found unfinished
        self._since = 0.0
        self.left = False
        self.leaving: Callable[[], None] | None = None  # see gateway.api.guard.Client

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            self._refuse(
                Overloaded("Too many connections are open (server.max_connections).", retry_after=1)
            )
            return
        self._since = self.loop.time()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._alarm:
            self._alarm.cancel()
        super().connection_lost(exc)
        self._leave()

    def _leave(self) -> None:
        self.left = True
        if self.leaving:
            self.leaving()

    def data_received(self, data: bytes) -> None:
        room = self._room - len(data)
        if room < 0:
            self._too_much(data)
            return
        self._room = room
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._room = self.bounds.message
        bounds = self.bounds
        if len(self.headers) > bounds.headers:
            self._refused = HeadTooLarge(
                f"The request has more than {bounds.headers} headers (server.max_headers)."
            )
            raise self._refused
        if len(self.url) > bounds.url:
            self._refused = UrlTooLong(
                f"The URL has more than {bounds.url} bytes (server.max_url_bytes)."
            )
            raise self._refused
        self.scope[CLIENT] = self  # type: ignore[literal-required]
        super().on_headers_complete()
        self.headers = _NOWHERE

    def respond(self, status: int, headers: Headers, body: bytes) -> bool:
        """Write a whole response at once; False where that is ASGI's business: to a client that
        has left or that has sent further requests already."""
        cycle = self.cycle
        if self.pipeline or cycle is None or cycle.response_started or cycle.disconnected:
            return False
        fields = [b"%b: %b\r\n" % each for each in (*cycle.default_headers, *headers)]
        if not cycle.keep_alive:
            fields.append(b"connection: close\r\n")
        head = b"".join(fields)
        if head.count(b"\n") != len(fields) or head.count(b"\r") != len(fields):
            raise ValueError("A header has a line break.")
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"".join((STATUS_LINE[status], head, b"\r\n", body)))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def on_message_complete(self) -> None:
        self._in_head = True
        self._room = self.bounds.head
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers when the parser gives up; here also when a bound was passed."""
        self._refuse(self._refused or InvalidRequest(f"{msg.rstrip('.')}: it is not HTTP/1.1."))

    def _too_much(self, data: bytes) -> None:
        """More has come than there is room for, and a head may end within it."""
        if self._refused:  # nobody reads on
            return
        if self._in_head:
            room, self._room = self._room, 0
            super().data_received(data[:room])
            if self._refused or self.transport.is_closing():
                return
            if not self._in_head:
                self.data_received(data[room:])
                return
            most = self.bounds.head
            self._refuse(
                HeadTooLarge(f"The headers have more than {most} bytes (server.max_head_bytes).")
            )
            return
        self._refuse(TooLarge("The body is too large (server.max_body_bytes)."))

    def _refuse(self, error: GatewayError) -> None:
        """Say why, and take nothing more from this client. An answer that has begun is cut."""
        self._refused = error
        self._room = 0
        cycle = self.cycle
        if cycle and cycle.response_complete and not self._in_head:
            self.transport.abort()  # answered already, and its body is still coming
            return
        if cycle and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self._leave()
            if cycle.response_started:
                self.transport.abort()
                return
        self.transport.write(_response(error))
        if self.transport.can_write_eof():
            # Closing at once would reset the connection under a client that is still sending,
            # and it would never read why.
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.abort)
        else:
            self.transport.close()

    def _look_later(self) -> None:
        self._alarm = self.loop.call_later(self.bounds.look_every, self._look)

    def _look(self) -> None:
        """Whether what is under way has been for too long."""
        if self._refused or self.transport.is_closing():
            return
        now = self.loop.time()
        coming = self._coming()
        if coming is not self._looked_at:
            self._looked_at, self._since = coming, now
        elif coming is not None:
            what = "headers" if self._in_head else "body"
            most = self.bounds.head_timeout if self._in_head else self.bounds.body_timeout
            if now - self._since >= most:
                setting = "head_timeout" if self._in_head else "body_timeout"
                self._late(f"The {what} did not come within {most:g} s (server.{setting}).")
                return
        self._look_later()

    def _coming(self) -> object:
        """The request that is still coming; None where the client is not to be waited for."""
        if self._in_head:
            if self.cycle is None:
                return self  # the first one of this connection
            return None if self._room == self.bounds.head else self.scope
        return None if self.flow.read_paused else self.cycle  # paused: we keep it waiting

    def _late(self, why: str) -> None:
        if self.cycle is None and self._room == self.bounds.head:
            self.transport.close()  # connected and said nothing
        else:
            self._refuse(TooSlow(why))


def _response(error: GatewayError) -> bytes:
    body = orjson.dumps(error.body())
    head = [
        STATUS_LINE[error.status],
        b"content-type: application/json\r\n",
        b"content-length: %d\r\n" % len(body),
        b"connection: close\r\n",
    ]
    if error.retry_after is not None:
        head.append(b"retry-after: %d\r\n" % max(1, round(error.retry_after)))
    return b"".join([*head, b"\r\n", body])
