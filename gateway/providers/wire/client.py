"""An HTTP/1.1 client that does what calling a model needs, quickly, and no more.

Kept-alive connections for each origin, deadlines, bounded answers, TLS with verification, proxies.
No redirects, cookies or compression.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.providers.wire import trust
from gateway.providers.wire.connection import Connection, Response, Timeouts
from gateway.providers.wire.errors import BadAnswer, Broken, ConnectFailed, PoolFull, TimedOut
from gateway.providers.wire.pool import Pool
from gateway.providers.wire.proxies import BadProxy, Proxies, Proxy
from gateway.providers.wire.tunnel import refuse, tunnelled

BODY_LIMIT = 64 * 2**20

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class BadEndpoint(ValueError):
    """A URL or a header cannot be sent; the message names it, and never a header's value."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a URL with the headers of every call, encoded once."""

    origin: Origin
    head: bytes = field(repr=False)  # holds the key

    @classmethod
    def of(cls, method: str, url: str, headers: Mapping[str, str] | None = None) -> Endpoint:
        """Raises BadEndpoint."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadEndpoint(f"{url!r} is not a URL: {error}.") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadEndpoint(f"{url!r} is not an http or https URL.")
        if parts.username is not None:
            raise BadEndpoint("A URL with a user name in it is not taken; use a header.")
        tls = parts.scheme == "https"
        origin = Origin(_ascii_host(parts.hostname), port or (443 if tls else 80), tls)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii() or re.search(r"[\x00-\x20\x7f]", path):
            raise BadEndpoint(f"{parts.path!r} is not a URL's path; encode it.")
        lines = [f"{method} {path} HTTP/1.1", f"host: {_host_header(origin)}"]
        lines += [_line(name, value) for name, value in (headers or {}).items()]
        lines.append("accept-encoding: identity")
        return cls(origin, "\r\n".join(lines).encode("latin-1"))


class Client:
    """Shared by all providers; belongs to the event loop that first uses it."""

    def __init__(
        self,
        *,
        connections: int = 512,
        waiting: int = 512,
        keep_alive: float = 30.0,
        tls: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._connections = connections  # to one origin
        self._waiting = waiting  # for one of them
        self._proxies = proxies or Proxies()
        self._keep_alive = keep_alive  # seconds
        self._tls = tls
        self._pools: dict[Origin, Pool] = {}
        self._closed = False

    async def post(
        self,
        endpoint: Endpoint,
        body: bytes,
        timeouts: Timeouts = Timeouts(),  # noqa: B008, frozen
        limit: int = BODY_LIMIT,
    ) -> Response:
        """Send JSON. Returns when the answer's head is there. Raises WireError."""
        head = b"%b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        return await self._send(endpoint, head % (endpoint.head, len(body), body), timeouts, limit)

    async def get(
        self,
        endpoint: Endpoint,
        timeouts: Timeouts = Timeouts(),  # noqa: B008, frozen
        limit: int = BODY_LIMIT,
    ) -> Response:
        """Returns when the answer's head is there. Raises WireError."""
        return await self._send(endpoint, endpoint.head + b"\r\n\r\n", timeouts, limit)

    def pools(self) -> Iterable[tuple[Origin, Pool]]:
        """The connections to each origin that was ever called."""
        return self._pools.items()

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        for pool in self._pools.values():
            pool.close()

    async def _send(
        self, endpoint: Endpoint, request: bytes, timeouts: Timeouts, limit: int
    ) -> Response:
        pool = self._pools.get(endpoint.origin) or self._pool(endpoint.origin)
        connection = pool.take() or await self._connection(pool, endpoint.origin, timeouts)
        try:
            return await _exchange(connection, request, timeouts, limit)
        except Broken as error:
            if not (connection.used and error.untouched):
                raise
        # The peer closed an idle connection while the request was on its way.
        connection = await self._connection(pool, endpoint.origin, timeouts, fresh=True)
        return await _exchange(connection, request, timeouts, limit)

    def _pool(self, origin: Origin) -> Pool:
        loop = asyncio.get_running_loop()
        pool = Pool(loop, self._connections, self._waiting, self._keep_alive)
        self._pools[origin] = pool
        return pool

    async def _connection(
        self, pool: Pool, origin: Origin, timeouts: Timeouts, *, fresh: bool = False
    ) -> Connection:
        if self._closed:
            raise ConnectFailed("The client is closed.")
        connecting = False
        try:
            async with asyncio.timeout(timeouts.connect):
                if not pool.place():
                    connection = await pool.wait()
                    if connection and not fresh:
                        return connection
                    if connection:
                        pool.trade(connection)
                connecting = True
                return await self._opened(pool, origin)
        except TimeoutError:
            within = f"within {timeouts.connect:g} s"
            if connecting:
                raise TimedOut(f"{origin} took no connection {within}.") from None
            raise PoolFull(
                f"None of the {self._connections} connections to {origin} was free {within}."
            ) from None

    async def _opened(self, pool: Pool, origin: Origin) -> Connection:
        """A new connection for a place that is already taken."""
        proxy = None
        try:
            proxy = self._proxies.to(origin.host, tls=origin.tls)
            connection = await self._connected(origin, proxy)
        except BaseException as error:
            pool.leave()
            through = f"{origin}: through the proxy {proxy}" if proxy else str(origin)
            if isinstance(error, BadProxy):
                raise ConnectFailed(f"{origin}: {error}") from None
            if isinstance(error, ssl.SSLError):
                raise ConnectFailed(f"{through}: TLS failed: {error}.") from None
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise ConnectFailed(f"{through}: {error.strerror or error}.") from None
            raise
        pool.join(connection)
        if connection.closed:
            pool.gone(connection)
        return connection

    async def _connected(self, origin: Origin, proxy: Proxy | None) -> Connection:
        """To the origin itself, through a proxy's tunnel, or to the proxy that forwards."""
        loop = asyncio.get_running_loop()
        connection = Connection(str(origin), loop)
        context = await self._context() if origin.tls else None
        if proxy is None:
            host = origin.host if context else None
            await loop.create_connection(
                lambda: connection, origin.host, origin.port, ssl=context, server_hostname=host
            )
        elif context:
            await tunnelled(proxy, origin.host, origin.port, context, connection, loop)
        else:
            connection.proxy = proxy
            await loop.create_connection(lambda: connection, proxy.host, proxy.port)
        return connection

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # reading the machine's certificates takes a while
            self._tls = await asyncio.to_thread(trust.usual)
        return self._tls


async def _exchange(
    connection: Connection, request: bytes, timeouts: Timeouts, limit: int
) -> Response:
    if connection.proxy:
        request = _forwarded(request, connection.name, connection.proxy)
    response = connection.begin(request, timeouts, limit)
    try:
        await response.head()
        if connection.proxy and response.status == 407:
            refuse(407, connection.proxy, connection.name)
    except BaseException:
        response.close()
        raise
    if response.header(b"content-encoding") not in (None, b"identity"):
        response.close()
        raise BadAnswer(f"{connection.name} compresses its answer, which it was not asked to do.")
    return response


def _forwarded(request: bytes, name: str, proxy: Proxy) -> bytes:
    """A request as a proxy wants it: with the whole URL, and with its own credentials."""
    method, path, rest = request.split(b" ", 2)
    version, headers = rest.split(b"\r\n", 1)
    line = b"%b http://%b%b %b\r\n" % (method, name.encode(), path, version)
    return line + proxy.authorization + headers


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise BadEndpoint(f"{host!r} is not a host name.") from None


def _host_header(origin: Origin) -> str:
    if origin.port == (443 if origin.tls else 80):
        return str(origin).rpartition(":")[0]
    return str(origin)


def _line(name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise BadEndpoint(f"{name!r} is not a header's name.")
    if not _VALUE.fullmatch(value):
        raise BadEndpoint(f"The value of the header {name!r} has a character that none may have.")
    return f"{name}: {value.strip()}"
