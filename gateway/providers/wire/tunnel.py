"""A way through a proxy: CONNECT, and when it agrees, TLS with the host behind it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from typing import cast

from gateway.providers.wire.errors import ConnectFailed
from gateway.providers.wire.proxies import Proxy

HEAD_LIMIT = 16 * 2**10

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class _Asking(asyncio.Protocol):
    """Says one thing to a proxy and waits for the head of its answer."""

    def __init__(self, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[int] = loop.create_future()
        self._request = request
        self._said = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if sock := transport.get_extra_info("socket"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._said += data
        if self.status.done():
            return
        if b"\r\n\r\n" in self._said or len(self._said) > HEAD_LIMIT:
            status = _STATUS.match(self._said)
            self.status.set_result(int(status[1]) if status else 0)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.status.done():
            self.status.set_result(0)


async def tunnelled(
    proxy: Proxy,
    host: str,
    port: int,
    context: ssl.SSLContext,
    protocol: asyncio.Protocol,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Connect a protocol to a host behind a proxy. Raises ConnectFailed and OSError."""
    there = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = f"CONNECT {there} HTTP/1.1\r\nhost: {there}\r\n".encode("ascii")
    asking = _Asking(request + proxy.authorization + b"\r\n", loop)
    transport, _ = await loop.create_connection(lambda: asking, proxy.host, proxy.port)
    try:
        refuse(await asking.status, proxy, there)
        secured = await loop.start_tls(transport, protocol, context, server_hostname=host)
        if secured is None:
            raise ConnectFailed(f"{there}: the proxy {proxy} closed the connection.")
    except BaseException:
        transport.abort()
        raise
    protocol.connection_made(secured)


def refuse(status: int, proxy: Proxy, there: str) -> None:
    """Raises ConnectFailed for what a proxy says, unless it is a success."""
    if 200 <= status < 300:
        return
    if status == 407:
        why = "asks for a user and a password (`proxy` may hold them), or does not take them"
    elif status:
        why = f"answered {status}"
    else:
        why = "did not answer in HTTP"
    raise ConnectFailed(f"{there}: the proxy {proxy} {why}.")
