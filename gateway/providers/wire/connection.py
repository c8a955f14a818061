"""One connection, one exchange at a time: bytes out, a parsed answer in.

It knows deadlines and sizes; which connection serves which request is the pool's business.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from gateway.providers.wire.errors import BadAnswer, Broken, TimedOut, WireError
from gateway.providers.wire.proxies import Proxy

HEAD_LIMIT = 64 * 2**10  # status line and headers
PAUSE_ABOVE = 256 * 2**10  # unread bytes of a body at which the peer is made to wait
DRAIN_SECONDS = 1.0
DRAIN_BYTES = 64 * 2**10
KEEPALIVE_AFTER = 30  # seconds of silence before TCP asks whether the peer is still there
EARLY = 0.001  # event loops may fire a timer up to a millisecond early

_TCP = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `idle` runs only while somebody waits for more of the body."""

    connect: float = 5.0  # and for a free connection, where the pool is full
    first_byte: float = 60.0  # until the answer's head is there
    idle: float = 60.0
    total: float = 600.0
    stale: float = 1.0  # in which a peer's closing of an idle connection may cross a request


class Keeper(Protocol):
    """Whoever gets the connection back."""

    def give(self, connection: Connection) -> None:
        """The exchange ended cleanly."""

    def gone(self, connection: Connection) -> None:
        """The connection is closed; said once."""


class Response:
    """An answer whose head has come, and its body as it comes.

    `close` ends the exchange; before the body's end that closes the connection, so that the peer
    learns of it at once.
    """

    __slots__ = (
        "_connection",
        "_discard",
        "_error",
        "_pieces",
        "_size",
        "_waiter",
        "_waiting_since",
        "_whole",
        "complete",
        "headers",
        "status",
    )

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._size = 0  # of the pieces
        self._error: WireError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._waiting_since = 0.0
        self._whole = False  # the reader wants all of it, so there is no holding back
        self._discard = False

    def header(self, name: bytes) -> bytes | None:
        """The first header of this (lower-case) name."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    async def read(self) -> bytes:
        """The whole body, or the rest of it."""
        self._whole = True
        while not self.complete:
            if self._error:
                raise self._error
            self._resume()
            await self._more()
        return self._taken()

    async def piece(self) -> bytes:
        """All that has come since the last one; nothing at the end."""
        while not self._pieces:
            if self._error:
                raise self._error
            if self.complete:
                return b""
            await self._more()
        self._resume()
        return self._taken()

    def __aiter__(self) -> Response:
        return self

    async def __anext__(self) -> bytes:
        if piece := await self.piece():
            return piece
        raise StopAsyncIteration

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody reads on. A body that has not ended costs the connection."""
        if self._connection and not self._discard:
            self._connection.fail(Broken("The answer was closed before its end."))

    def drain(self) -> None:
        """Nobody reads on, but the end is near: let it come, so that the connection is kept.

        If it does not come within a second, the connection is closed."""
        if self._connection:
            self._connection.drain()

    async def head(self) -> None:
        """Wait until status and headers are there."""
        while not self.status:
            if self._error:
                raise self._error
            await self._more()

    async def _more(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._waiting_since = loop.time()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _taken(self) -> bytes:
        pieces = self._pieces
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        return taken

    def _resume(self) -> None:
        if self._connection:
            self._connection.resume()

    def wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """A connected socket; `begin` starts an exchange when it is free."""

    __slots__ = (
        "_again",
        "_clean",
        "_ended",
        "_first_at",
        "_interim",
        "_keeper",
        "_last",
        "_limit",
        "_loop",
        "_parser",
        "_paused",
        "_received",
        "_response",
        "_stale_until",
        "_timeouts",
        "_timer",
        "_total_at",
        "_transport",
        "closed",
        "idle_since",
        "name",
        "proxy",
        "used",
    )

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name  # the peer, in messages
        self.used = False  # has served an exchange before the current one
        self.closed = False
        self.idle_since = 0.0
        self.proxy: Proxy | None = None  # that forwards what is sent here, and reads it
        self._loop = loop
        self._keeper: Keeper | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False

    def keep_by(self, keeper: Keeper | None) -> None:
        """Say who gets it back from now on."""
        self._keeper = keeper

    def begin(self, request: bytes, timeouts: Timeouts, limit: int) -> Response:
        """Send a request; at most `limit` bytes of body are taken."""
        assert self._transport
        response = Response(self)
        if self.closed or self._transport.is_closing():
            response._connection = None
            response._error = Broken(f"{self.name} has closed the connection.", untouched=True)
            return response
        now = self._loop.time()
        self._response = response
        self._timeouts = timeouts
        self._limit = limit
        self._received = 0
        self._interim = self._ended = self._again = self._clean = False
        self._first_at = now + timeouts.first_byte
        self._total_at = now + timeouts.total
        self._stale_until = now + timeouts.stale
        self._timer = self._loop.call_at(min(self._first_at, self._total_at), self._check)
        self._transport.write(request)
        return response

    def fail(self, error: WireError) -> None:
        """End the exchange, and the connection with it."""
        response = self._released()
        if response:
            response._error = error
            response.wake()
        self.abort()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._transport:
            self._transport.abort()
        self._lost()

    def drain(self) -> None:
        """Read the rest of the answer for nobody."""
        if not self._response:
            return
        self._response._discard = True
        self._response._pieces.clear()
        self._limit = self._received + DRAIN_BYTES
        self._total_at = self._loop.time() + DRAIN_SECONDS
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._total_at, self._check)
        self.resume()

    def resume(self) -> None:
        """Let the peer send on."""
        if self._paused and self._transport:
            self._paused = False
            self._transport.resume_reading()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if (sock := transport.get_extra_info("socket")) and sock.family in _TCP:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A plain answer may take minutes, and what stands between forgets a silent connection.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_AFTER)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nobody asked, so whose answer this is cannot be known
            self.abort()
            return
        self._last = self._loop.time()
        self._received += len(data)
        headless = not response.status
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(BadAnswer(f"{self.name} does not answer in HTTP/1.1: {error!r:.200}"))
            return
        if self._received > (self._limit if response.status else HEAD_LIMIT):
            what = "body" if response.status else "head"
            self.fail(BadAnswer(f"{self.name} sent an answer whose {what} is too large."))
        elif self._ended:
            self._end()
        else:
            if headless and response.status and not response._discard:
                self._watch_idle()
            if response._size > PAUSE_ABOVE and not response._whole:
                self._pause()
            response.wake()

    def eof_received(self) -> None:
        """Nothing is left to say to a peer that has stopped speaking."""

    def connection_lost(self, error: Exception | None) -> None:
        response = self._released()
        self._lost()
        if response is None:
            return
        if error is None and response.status and self._until_eof(response):
            response.complete = True
        elif response.status:
            response._error = Broken(f"{self.name} closed the connection inside its answer.")
        else:
            why = "reset" if error else "closed"
            response._error = Broken(
                f"{self.name} {why} the connection before it answered.",
                untouched=self._received == 0 and self._loop.time() < self._stale_until,
            )
        response.wake()

    # httptools' side: nothing here may raise

    def on_message_begin(self) -> None:
        self._again = self._ended

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response and not response.status:
            response.headers.append((name, value))

    def on_headers_complete(self) -> None:
        response = self._response
        if response is None or self._ended:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            response.headers.clear()
        else:
            response.status = status

    def on_body(self, body: bytes) -> None:
        response = self._response
        if response and not response._discard and not self._ended:
            response._pieces.append(body)
            response._size += len(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self._ended:
            self._ended = True
            self._clean = self._parser.should_keep_alive()

    # ours

    def _end(self) -> None:
        """The answer is whole. The connection is kept if both sides have said all they meant to."""
        assert self._transport
        response = self._released()
        unsent = self._transport.get_write_buffer_size()
        if self._clean and not self._again and not unsent and not self._transport.is_closing():
            self.resume()
            self.used = True
            if self._keeper:
                self._keeper.give(self)
        else:
            self.abort()
        if response:
            response.complete = True
            response.wake()

    def _released(self) -> Response | None:
        """The exchange is over: let go of it and its timer."""
        response, self._response = self._response, None
        if response:
            response._connection = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        return response

    def _lost(self) -> None:
        if not self.closed:
            self.closed = True
            if self._keeper:
                self._keeper.gone(self)

    def _pause(self) -> None:
        if not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def _watch_idle(self) -> None:
        if self._timer:
            self._timer.cancel()
        at = min(self._loop.time() + self._timeouts.idle, self._total_at)
        self._timer = self._loop.call_at(at, self._check)

    def _check(self) -> None:
        """A deadline may have passed. Timers are not moved with every byte, so look first."""
        self._timer = None
        response = self._response
        if response is None:
            return
        now = self._loop.time() + EARLY
        if now >= self._total_at:
            self._late(f"has not finished its answer after {self._timeouts.total:g} s")
            return
        if not response.status:
            next_at = self._first_at
            reason = f"has not begun to answer after {self._timeouts.first_byte:g} s"
        elif response._waiter:
            next_at = max(self._last, response._waiting_since) + self._timeouts.idle
            reason = f"has been silent for {self._timeouts.idle:g} s inside its answer"
        else:
            next_at = now + self._timeouts.idle
            reason = ""
        if now >= next_at and reason:
            self._late(reason)
        else:
            self._timer = self._loop.call_at(min(next_at, self._total_at), self._check)

    def _late(self, reason: str) -> None:
        self.fail(TimedOut(f"{self.name} {reason}."))

    @staticmethod
    def _until_eof(response: Response) -> bool:
        """Whether the body's end is the connection's end: no length and no chunks were told."""
        return (
            response.header(b"content-length") is None
            and response.header(b"transfer-encoding") is None
        )
