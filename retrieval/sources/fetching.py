"""Pages over HTTP, fetched as one who does so for others: checked addresses, bounded in all ways.

Each redirect is a new request, checked like the first. It knows nothing of documents.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Timer
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.sources.network import Networks, reachable
from retrieval.sources.reading import CHUNK, chunks

_REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}
_BUSY = {429, 502, 503, 504}
_TRIES = 3
_LONGEST_WAIT = 10.0
_PORTS = {"http": 80, "https": 443}
_NO_HOST = re.compile(rb"[\x00-\x20\x7f]")  # what http.client refuses, too
_SAFE = "/%:@!$&'()*+,;=~-._"


class BadStatus(Unreadable):
    """The server was asked, and answers otherwise."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        super().__init__(f"the server answers {response.status} {response.reason}")
        self.status = response.status


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, with its body still to come."""

    url: str  # where it was found in the end
    headers: Mapping[str, str]  # by names in lower case
    chunks: Iterator[bytes]
    """The body in pieces, unpacked. Raises Unreadable."""

    @property
    def size(self) -> int:
        """Bytes of the body, 0 where it is not said or they are packed."""
        length = self.headers.get("content-length", "")
        packed = "content-encoding" in self.headers
        return int(length) if length.isdecimal() and len(length) < 16 and not packed else 0


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Asks servers, from any thread; nothing stays open between two requests."""

    config: SourcesConfig = field(default_factory=SourcesConfig)
    wait: Callable[[float], None] = time.sleep
    authority: str | None = field(default=None, repr=False)
    """Sent as Authorization to the server that a request names, and to none that it leads to."""

    @contextmanager
    def get(self, url: str, method: str = "GET", start: int = 0) -> Iterator[Answer]:
        """The answer to a request, if it is a good one; from byte `start` on, and then not packed,
        of a server that knows how to. Raises Unreadable, and BadStatus where there is an answer."""
        deadline = time.monotonic() + self.config.timeout
        for attempt in range(_TRIES):
            with self._followed(url, method, start, deadline) as (response, found):
                if response.status == (206 if start else 200):
                    yield Answer(found, _headers(response), _body(response, deadline))
                    return
                if response.status not in _BUSY or attempt == _TRIES - 1:
                    raise BadStatus(response)
                wait = _retry_after(response, attempt)
            if wait > min(_LONGEST_WAIT, deadline - time.monotonic()):
                raise BadStatus(response)
            self.wait(wait)

    @contextmanager
    def _followed(
        self, url: str, method: str, start: int, deadline: float
    ) -> Iterator[tuple[http.client.HTTPResponse, str]]:
        """What stands at the end of the redirects. Raises Unreadable."""
        first = parts = split(url)
        for _ in range(_REDIRECTS + 1):
            # A name and password are for the server that they were written for.
            own = self.authority or _authority(first)
            secret = own if _origin(parts) == _origin(first) else None
            with self._asked(parts, method, start, secret, deadline) as response:
                if response.status not in _MOVED:
                    yield response, plain(parts)
                    return
                target = response.headers.get("Location", "")
            if not target:
                raise Unreadable("it is moved, and the server does not say where")
            moved = split(target, plain(parts))
            if parts.scheme == "https" and moved.scheme == "http":
                raise Unreadable(f"it is moved from https to http: {plain(moved)}")
            parts = moved
        raise Unreadable(f"it is moved more than {_REDIRECTS} times")

    @contextmanager
    def _asked(
        self, parts: SplitResult, method: str, start: int, secret: str | None, deadline: float
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {
            "User-Agent": self.config.user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        if start:
            headers |= {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        if secret is not None:
            headers["Authorization"] = secret
        connection = _Connection(parts, self.config.private_networks, deadline)
        path = quote(parts.path, _SAFE) or "/"
        path += f"?{quote(parts.query, _SAFE + '?')}" if parts.query else ""
        try:
            with _within(connection, deadline):
                connection.request(method, path, headers=headers)
                with connection.getresponse() as response:
                    yield response
        except (OSError, http.client.HTTPException) as error:
            late = time.monotonic() >= deadline
            raise Unreadable("it takes too long" if late else _said(error)) from error
        finally:
            connection.close()


def split(url: str, base: str = "") -> SplitResult:
    """A URL that can be fetched, in its parts; one from a page at `base` may be relative to it.

    Raises Unreadable."""
    try:
        url.encode()
        parts = urlsplit(urljoin(base, url))
        host, _ = (parts.hostname or "").encode("idna"), parts.port
        if _NO_HOST.search(host):
            raise ValueError(f"{parts.hostname!r} is no host")
    except ValueError as error:
        # The reason may quote what stands around an @, which may be a password.
        raise Unreadable("it is no URL" if "@" in url else f"it is no URL: {error}") from error
    if parts.scheme not in _PORTS or not host:
        raise Unreadable(f"it leads to no page: {parts.scheme or 'no'} is not http or https")
    return parts


def plain(parts: SplitResult) -> str:
    """A URL as it may be shown: without a password, and without a place in the page."""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the name becomes meanwhile."""

    def __init__(self, parts: SplitResult, allowed: Networks, deadline: float) -> None:
        host = (parts.hostname or "").encode("idna").decode()
        self._secure = parts.scheme == "https"
        self.default_port = _PORTS[parts.scheme]
        super().__init__(host, parts.port or self.default_port)
        self._allowed = allowed
        self._deadline = deadline
        # The connection itself forgets its socket as soon as the headers of the last answer are in.
        self.live: socket.socket | None = None

    def connect(self) -> None:
        addresses = reachable(self.host, self.port, self._allowed)
        self.sock = self.live = self._connected(addresses)
        if self._secure:
            context = ssl.create_default_context()
            secured = context.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = self.live = secured  # before the handshake, which has to end in time, too
            secured.do_handshake()

    def _connected(self, addresses: list[str]) -> socket.socket:
        failure = OSError("no address")
        for address in addresses:
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((address, self.port), timeout=left)
            except OSError as error:
                failure = error
        raise failure


@contextmanager
def _within(connection: _Connection, deadline: float) -> Iterator[None]:
    """End a connection at the deadline: a socket's own limit begins anew with each byte."""

    def end() -> None:
        if connection.live is not None:
            with suppress(OSError):
                # The plain one: TLS would be undone under the hands of the thread that reads.
                socket.socket.shutdown(connection.live, socket.SHUT_RDWR)

    timer = Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _body(response: http.client.HTTPResponse, deadline: float) -> Iterator[bytes]:
    """The body unpacked, and complete."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise Unreadable(f"it comes packed by {encoding}, which was not asked for")
    raw = _raw(response, deadline)
    return raw if encoding in ("identity", "") else gunzipped(raw)


def _raw(response: http.client.HTTPResponse, deadline: float) -> Iterator[bytes]:
    for chunk in chunks(response):
        if time.monotonic() >= deadline:
            break
        yield chunk
    if time.monotonic() >= deadline:
        raise Unreadable("it takes too long")
    if response.length:
        raise Unreadable("it breaks off")


def gunzipped(packed: Iterator[bytes]) -> Iterator[bytes]:
    """What a gzip stream holds, in pieces of bounded size. Raises Unreadable."""
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for chunk in packed:
            while chunk and not unpacking.eof:
                if piece := unpacking.decompress(chunk, CHUNK):
                    yield piece
                chunk = unpacking.unconsumed_tail
    except zlib.error as error:
        raise Unreadable(f"damaged gzip: {error}") from error
    if rest := unpacking.flush():  # no more than a few hundred bytes: all input has been taken
        yield rest
    if not unpacking.eof:
        raise Unreadable("it breaks off")


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _retry_after(response: http.client.HTTPResponse, attempt: int) -> float:
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() and len(said) < 6 else float(2**attempt)


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _authority(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()


def _said(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "it breaks off"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"the server cannot be reached: {reason or error or type(error).__name__}"
