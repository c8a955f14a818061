"""An upstream that misbehaves as each call asks it to, and remembers what became of the call.

A call names a behaviour and its request's id in its prompt, `[fault NAME ID]`. A call of the model
`steady` is answered as it should be, whatever its prompt says: that is what a fallback finds.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import httptools
import orjson

from eval.bench.faults.behaviours import LATE, Behaviour
from eval.bench.faults.saying import Call, Pause, Say, Step, Steps, Stop, answer, sized

Listening: TypeAlias = Literal["open", "refusing", "full", "slow"]

STEADY = "steady"
HIGH_WATER = 2**20  # unsent bytes at which the next step waits
FILLERS = 4  # connections that fill a queue of none

_MARKER = re.compile(r"\[fault ([a-z0-9-]+) ([a-z]+)\]")


def prompt(fault: str, request: str) -> str:
    """What a request says so that its calls are answered by a behaviour."""
    return f"[fault {fault} {request}] Where is my parcel?"


@dataclass(slots=True)
class Attempt:
    """One call, and what became of it."""

    request: str  # id of the request that it was made for
    model: str
    at: float  # monotonic, like all times here
    secret: bytes = b""  # the bearer token that came with it
    said: str = ""  # of the answer's text
    over_at: float | None = None
    left: bool = False  # the caller closed the connection before the end


Attempts: TypeAlias = defaultdict[str, list[Attempt]]
"""By request."""


class MisbehavingUpstream:
    """A listening server. One beside another remembers its calls in the same place."""

    def __init__(
        self,
        behaviours: Mapping[str, Behaviour],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        beside: MisbehavingUpstream | None = None,
    ) -> None:
        self.behaviours = {STEADY: answer, **behaviours}
        self.host = host
        self.port = port
        self.attempts: Attempts = beside.attempts if beside else defaultdict(list)
        self.strays = 0  # requests to where nobody was sent
        self.peers: set[_Peer] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Base URL that ends in /v1."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def open(self) -> int:
        """Connections, idle ones with them."""
        return len(self.peers)

    @property
    def busy(self) -> int:
        """Connections on which a call is not over."""
        return sum(peer.attempt is not None for peer in self.peers)

    async def __aenter__(self) -> MisbehavingUpstream:
        await self._accept(self._bound())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut()

    @asynccontextmanager
    async def listening(self, how: Listening) -> AsyncIterator[None]:
        """Meanwhile connections are refused, never accepted, or accepted late."""
        if how == "open":
            yield
            return
        await self._shut()
        queue = _Full(self._bound()) if how != "refusing" else None
        opening = None
        if queue and how == "slow":
            opening = asyncio.get_running_loop().create_task(self._late(queue))
        try:
            yield
        finally:
            if opening:
                await opening
                await self._shut()
            elif queue:
                queue.close()
            await self._accept(self._bound())

    async def _late(self, queue: _Full) -> None:
        await asyncio.sleep(LATE)
        await self._accept(queue.emptied())

    def _bound(self) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.host, self.port))
        self.port = sock.getsockname()[1]
        return sock

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), sock=sock)

    async def _shut(self) -> None:
        """Neither listen nor keep a connection."""
        if self._server:
            self._server.close()
            self._server = None
        for peer in list(self.peers):
            peer.hang_up()
        await asyncio.sleep(0)  # their sockets are closed in the loop's next turn


class _Full:
    """A listening socket whose queue is full: whoever connects hears nothing."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.listen(0)
        self._fillers = [socket.socket() for _ in range(FILLERS)]
        for filler in self._fillers:
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(sock.getsockname())

    def emptied(self) -> socket.socket:
        """The same socket, which can be accepted from again."""
        for filler in self._fillers:
            filler.close()
        return self._sock

    def close(self) -> None:
        self.emptied().close()


class _Peer(asyncio.Protocol):
    """One caller's connection."""

    def __init__(self, upstream: MisbehavingUpstream) -> None:
        self.attempt: Attempt | None = None  # the call that is being answered
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._served = 0
        self._path = b""
        self._secret = b""
        self._body: list[bytes] = []
        self._playing: Iterator[Step] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._full = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._upstream.peers.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._upstream.peers.discard(self)
        self._stop()
        if self.attempt:
            self.attempt.left = True
            self._over()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        # Not at once: this is called from the middle of the transport's own writing.
        asyncio.get_running_loop().call_soon(self._play)

    # httptools' side

    def on_message_begin(self) -> None:
        self._path = self._secret = b""
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._secret = value.removeprefix(b"Bearer ")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._path.endswith(b"/chat/completions"):
            self._begin(orjson.loads(b"".join(self._body)))
        elif self._path.endswith(b"/models"):
            names = [{"id": name, "object": "model"} for name in self._upstream.behaviours]
            body = orjson.dumps({"object": "list", "data": names})
            self._transport.write(sized(body))
        else:
            self._upstream.strays += 1
            self._transport.write(sized(b"{}", status=404))

    # ours

    def hang_up(self) -> None:
        """Close at once."""
        self._stop()
        self._over()
        self._transport.abort()

    def _begin(self, asked: dict[str, Any]) -> None:
        self._stop()  # whoever asks again has heard enough
        self._over()
        request, steps = self._chosen(asked)
        self._served += 1
        model = str(asked.get("model"))
        self.attempt = Attempt(request, model, time.monotonic(), self._secret)
        self._upstream.attempts[request].append(self.attempt)
        self._playing = iter(steps)
        self._play()

    def _chosen(self, asked: dict[str, Any]) -> tuple[str, Steps]:
        """The request's id, and what is to be done."""
        turns = asked.get("messages") or []
        marker = next(
            (m for turn in turns if (m := _MARKER.search(str(turn.get("content"))))), None
        )
        model = str(asked.get("model")).rpartition("/")[2].removesuffix("-stream")
        fault, request = marker.groups() if marker else (model, "nobody")
        if model == STEADY:
            fault = STEADY
        last = turns[-1] if turns else {}
        call = Call(
            request,
            bool(asked.get("stream")),
            1 + sum(each.model == asked.get("model") for each in self._upstream.attempts[request]),
            self._served > 0,
            str(last.get("content")) if last.get("role") == "assistant" else "",
        )
        return request, self._upstream.behaviours.get(fault, answer)(call)

    def _play(self) -> None:
        """Take steps until one that takes time, or the last."""
        self._timer = None
        while self._playing and not self._full and not self._transport.is_closing():
            step = next(self._playing, None)
            match step:
                case Say():
                    self._transport.write(step.data)
                    if self.attempt:
                        self.attempt.said += step.text
                case Pause():
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(step.seconds, self._play)
                    return
                case Stop.HANG:
                    self._playing = None
                case _:
                    self._end(step)

    def _end(self, stop: Stop | None) -> None:
        self._playing = None
        self._over()
        if stop is Stop.CLOSE:
            self._transport.close()
        elif stop is Stop.RESET:
            _reset(self._transport)

    def _over(self) -> None:
        if self.attempt:
            self.attempt.over_at = time.monotonic()
            self.attempt = None

    def _stop(self) -> None:
        self._playing = None
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN."""
    if sock := transport.get_extra_info("socket"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
