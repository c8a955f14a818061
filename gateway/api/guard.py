"""What every request passes before anything reads it: where it comes from, its length and depth.

Without keys whoever reaches the gateway may ask, so it has to be sure that it is asked by somebody
on this machine and not by a page of another site in that somebody's browser.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import accumulate
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.types import Message, Receive

from gateway.errors import Forbidden, InvalidRequest, TooLarge

Headers = Iterable[tuple[bytes, bytes]]


def names_this_machine(host: str) -> bool:
    """localhost or an address; a page elsewhere can only point a *name* of its own here."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def refuse_other_sites(headers: Headers) -> None:
    """Raises Forbidden for a request that a page of another site has made a browser send."""
    for name, value in headers:
        if name == b"host":
            host, of = value.decode("latin-1"), "host"
        elif name == b"origin":
            host, of = urlsplit(value.decode("latin-1")).netloc, "origin"
        elif name == b"sec-fetch-site" and value == b"cross-site":
            host, of = "", "site"
        else:
            continue
        if not names_this_machine(_without_port(host)):
            raise Forbidden(
                f"Without keys the gateway answers only to this machine, and this request's {of} "
                f"is '{host}'. Make a key to open it to others: moorline keys create --name NAME"
            )


def _without_port(host: str) -> str:
    if host.startswith("["):  # [::1]:8080
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


CLIENT = "moorline.client"
"""Where a server that knows Client puts it into the scope."""


class Client(Protocol):
    """The connection that a request came by. `leaving` is called when it is closed."""

    left: bool
    leaving: Callable[[], None] | None

    def respond(self, status: int, headers: Headers, body: bytes) -> bool:
        """Write a whole response without ASGI's messages; False where that cannot be."""
        ...


class ClientLeft(Exception):
    """The connection was closed before the answer was told."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge, or ClientLeft."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        pieces = [message.get("body", b"")]
    else:
        pieces = [piece async for piece in _pieces(message, receive, limit)]
    body = b"".join(pieces)
    if len(body) > limit:
        raise too_large(limit)
    return body


async def _pieces(message: Any, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece = message.get("body", b"")
        size += len(piece)
        yield piece
        if size > limit or not message.get("more_body"):
            return
        message = await receive()


# One level in and one out, as signed bytes, and where texts begin and end: no more is looked at.
_LEVELS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_OTHERS = bytes(each for each in range(256) if each not in b'{[}]"')


def refuse_depth(body: bytes, most: int) -> None:
    """Raises InvalidRequest for JSON that is nested deeper than anything here wants to follow."""
    # So few lists and objects cannot be too deep, however they lie: the usual request ends here.
    # Removing finds a byte ten times as fast as counting does.
    size = len(body)
    if 2 * size - len(body.replace(b"{", b"")) - len(body.replace(b"[", b"")) <= most:
        return
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    steps = b"".join(body.translate(_LEVELS, _OTHERS).split(b'"')[::2])  # those outside of texts
    if max(accumulate(memoryview(steps).cast("b")), default=0) > most:
        raise InvalidRequest(f"The body is nested more than {most} levels deep (server.max_depth).")


def replayed(body: bytes, receive: Receive) -> Receive:
    """A request whose body has been read already; what comes after it is still heard."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body has more than {limit} bytes (server.max_body_bytes).")
