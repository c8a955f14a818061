"""A client that looks at bytes: asks over a socket, and judges HTTP's framing itself.

It knows nothing of what an answer says; that is read elsewhere from what was seen here.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import orjson

Ending: TypeAlias = Literal["whole", "cut", "closed", "late", "refused", "left", "flood"]
MOST = 16 * 2**20  # bytes of an answer that are worth looking at
PIECE = 2**16


@dataclass(slots=True)
class Seen:
    """What came over the wire."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ending: Ending = "closed"  # without a word
    wrong: str = ""  # what of it is not HTTP
    seconds: float = 0.0
    left_at: float = 0.0  # monotonic, where the client left


@dataclass(frozen=True, slots=True)
class Door:
    """Where the gateway is asked."""

    url: str  # what the client calls its base URL, with or without /v1
    key: str | None = None

    def request(self, body: bytes) -> bytes:
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/").removesuffix("/v1")
        authorization = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        head = (
            f"POST {path}/v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\n{authorization}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        return await asyncio.open_connection(parts.hostname, port, ssl=tls)


@dataclass(frozen=True, slots=True)
class Leave:
    """When the client closes the connection: so long after asking, or at a sign of the answer."""

    after: float | None = None  # seconds
    at: Callable[[Seen], bool] = lambda seen: False


async def ask(door: Door, body: object, patience: float, leave: Leave | None = None) -> Seen:
    """One request on a connection of its own, until its end, the client's or patience's."""
    seen, started = Seen(), time.monotonic()
    try:
        reader, writer = await asyncio.wait_for(door.connect(), patience)
    except (OSError, TimeoutError):
        seen.ending = "refused"
        return seen
    stays = patience if leave is None or leave.after is None else leave.after
    try:
        writer.write(door.request(orjson.dumps(body)))
        async with asyncio.timeout(stays):
            await _read(reader, seen, leave)
    except TimeoutError:
        seen.ending = "late" if stays == patience else "left"
    except OSError:
        seen.ending = "cut" if seen.status else "closed"
    finally:
        writer.transport.abort()
        seen.left_at = time.monotonic()
        seen.seconds = seen.left_at - started
    return seen


async def _read(reader: asyncio.StreamReader, seen: Seen, leave: Leave | None) -> None:
    parsing = _Parsing(seen)
    while not parsing.over:
        piece = await reader.read(PIECE)
        parsing.feed(piece)
        if not piece:
            return
        if leave and leave.at(seen):
            seen.ending = "left"
            return
        if len(seen.body) > MOST:
            seen.ending = "flood"
            return


class _Parsing:
    """HTTP/1.1's response as plain state; what is wrong with it is noted, not guessed around."""

    def __init__(self, seen: Seen) -> None:
        self.over = False
        self._seen = seen
        self._data = b""
        self._left: int | None = None  # bytes of the body, or of the chunk with its line end
        self._chunked = False

    def feed(self, piece: bytes) -> None:
        """Bytes, or nothing at the connection's end."""
        self._data += piece
        if not self._seen.status and not self._head():
            self._seen.ending = "closed" if not piece and not self._data else "cut"
            return
        if self.over:
            return
        if self._chunked:
            self._chunks()
        else:
            self._rest(not piece)
        if not self.over and not piece:
            self._seen.ending = "cut"
        if self.over and self._seen.ending == "whole" and self._data:
            self._seen.wrong = f"{len(self._data)} bytes after the answer's end"

    def _head(self) -> bool:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, status = first.partition(" ")
        if not version.startswith("HTTP/1.") or not status[:3].isdecimal():
            self._fail(f"a status line {first!r:.50}")
            return True
        self._data = rest
        for line in lines:
            name, _, value = line.partition(":")
            self._seen.headers[name.strip().lower()] = value.strip()
        self._seen.status = int(status[:3])
        self._chunked = "chunked" in self._seen.headers.get("transfer-encoding", "")
        if not self._chunked and "content-length" in self._seen.headers:
            self._left = int(self._seen.headers["content-length"])
        return True

    def _rest(self, closed: bool) -> None:
        """A body with a length, or one that ends with the connection."""
        taken = self._data if self._left is None else self._data[: self._left]
        self._data = self._data[len(taken) :]
        self._seen.body += taken
        if self._left is not None:
            self._left -= len(taken)
        if self._left == 0 or (self._left is None and closed):
            self._end()

    def _chunks(self) -> None:
        while not self.over:
            line, end, rest = self._data.partition(b"\r\n")
            if not end:
                return
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                self._fail(f"a chunk's size {line!r:.50}")
                return
            if len(rest) < size + 2:
                return
            if rest[size : size + 2] != b"\r\n":
                self._fail("a chunk without its line end")
                return
            self._seen.body += rest[:size]
            self._data = rest[size + 2 :]
            if size == 0:
                self._end()

    def _end(self) -> None:
        self.over = True
        self._seen.ending = "whole"

    def _fail(self, what: str) -> None:
        self.over = True
        self._seen.ending = "cut"
        self._seen.wrong = what
