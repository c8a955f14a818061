"""A load generator on raw sockets, so that what is measured is the server and not the client.

Each of the connections sends its next request as soon as the last one has been answered. They
differ in a number where the request says NUMBER, so that no cache has seen them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import count
from typing import cast
from urllib.parse import urlsplit

END_OF_CHUNKS = b"0\r\n\r\n"
NUMBER = "########"
ENOUGH = 200  # requests; a busy machine gets more time for them
LAST = 10.0  # seconds for the last answers
PATIENCE = 5  # times the time that was asked for


_NUMBER = NUMBER.encode()
_numbers = count()


class LoadFailed(Exception):
    """A server did not answer as it should; the message has the beginning of what it said."""


@dataclass(slots=True)
class Load:
    """What came of it. Times in seconds."""

    latencies: list[float] = field(default_factory=list)  # until the answer's end
    first_bytes: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        return len(self.latencies)


@dataclass(frozen=True, slots=True)
class Target:
    """A server and the request that it gets."""

    host: str
    port: int
    request: bytes

    @classmethod
    def of(cls, url: str, body: bytes, key: str | None = None, headers: str = "") -> Target:
        parts = urlsplit(url)
        authorization = f"authorization: Bearer {key}\r\n" if key else ""
        head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n{authorization}{headers}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return cls(parts.hostname or "", parts.port or 80, head.encode() + body)


async def load(target: Target, concurrency: int, seconds: float, enough: int = ENOUGH) -> Load:
    """Keep so many requests under way for so long, or longer if few are answered.

    Raises LoadFailed.
    """
    loop = asyncio.get_running_loop()
    result, over = Load(), loop.create_future()
    started = time.perf_counter()
    workers = []
    try:
        for _ in range(concurrency):
            _, worker = await loop.create_connection(
                lambda: _Worker(target.request, result, over), target.host, target.port
            )
            workers.append(worker)
        started = time.perf_counter()
        for worker in workers:
            worker.send()
        for _ in range(PATIENCE):
            await asyncio.wait([over], timeout=seconds)
            if over.done():
                over.result()
            if result.requests >= enough:
                break
        # What has begun is told to its end: an answer that is cut costs, and is not counted.
        last = asyncio.gather(*(worker.rest() for worker in workers))
        await asyncio.wait([over, last], timeout=LAST, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            over.result()
    finally:
        result.seconds = time.perf_counter() - started
        over.cancel()
        for worker in workers:
            worker.stop()
    return result


class _Worker(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, request: bytes, result: Load, over: asyncio.Future[None]) -> None:
        self._request = request
        self._result = result
        self._over = over
        self._sent_at = 0.0
        self._first_at = 0.0
        self._missing: int | None = None  # bytes of a body with a length; None for chunks
        self._head = b""
        self._tail = b""
        self._busy = False
        self._rested: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self) -> None:
        self._first_at = 0.0
        self._head = b""
        request = self._request.replace(_NUMBER, b"%08d" % next(_numbers))
        self._busy = True
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def rest(self) -> asyncio.Future[None]:
        """Send nothing more; done when the request that is under way has been answered."""
        self._rested = self._over.get_loop().create_future()
        if not self._busy:
            self._rested.set_result(None)
        return self._rested

    def stop(self) -> None:
        self._over.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._first_at:
            self._first_at = time.perf_counter()
            data = self._head + data
            body = data.find(b"\r\n\r\n") + 4
            if body < 4:  # half a head
                self._head, self._first_at = data, 0.0
                return
            if data[9:12] != b"200":
                self._fail(data)
                return
            self._missing = _length(data[:body])
            data = data[body:]
            self._tail = b""
        if self._missing is None:
            self._tail = (self._tail + data)[-len(END_OF_CHUNKS) :]
            whole = self._tail == END_OF_CHUNKS
        else:
            self._missing -= len(data)
            whole = self._missing <= 0
        if whole and not self._over.done():
            self._result.latencies.append(time.perf_counter() - self._sent_at)
            self._result.first_bytes.append(self._first_at - self._sent_at)
            self._busy = False
            if self._rested is None:
                self.send()
            elif not self._rested.done():
                self._rested.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(b"The connection was closed.")

    def _fail(self, said: bytes) -> None:
        if not self._over.done():
            self._over.set_exception(LoadFailed(said[:500].decode("utf-8", "replace")))


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return None
