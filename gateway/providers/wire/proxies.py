"""Which proxy stands between us and a host: a configured one, what the environment says, or none.

Like every other client: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, also in small
letters. This machine's own addresses are never asked of a proxy that the environment names.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


class BadProxy(ValueError):
    """A proxy's URL cannot be used. The message never holds it: it may have a password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy listens, and the header line that it lets us in with."""

    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> Proxy:
        """From `http://user:password@host:port`. Raises BadProxy."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            raise BadProxy("The proxy's URL is not one.") from None
        if parts.scheme != "http":
            raise BadProxy(f"A proxy is spoken to by http, not by {parts.scheme}.")
        if not host or not host.isascii() or parts.path not in ("", "/") or parts.query:
            raise BadProxy(
                "The proxy's URL has to be http://host:port, with user:password@ or not."
            )
        return cls(host, port, _authorization(parts.username, parts.password))


class Proxies:
    """Decides for each host."""

    def __init__(self, always: Proxy | None = None, *, environment: bool = False) -> None:
        self._always = always
        self._environment = environment

    def to(self, host: str, *, tls: bool) -> Proxy | None:
        """The proxy on the way to a host. Raises BadProxy."""
        if self._always or not self._environment or _is_here(host):
            return self._always
        if not any(name.lower().endswith("_proxy") for name in os.environ):
            return None
        # A tenth of the gateway's start, for those who have a proxy.
        from urllib import request

        named = request.getproxies_environment()
        url = named.get("https" if tls else "http") or named.get("all")
        # Typeshed does not know it; it is the standard library's own reading of NO_PROXY.
        if not url or request.proxy_bypass_environment(host, named):  # type: ignore[attr-defined]
            return None
        try:
            return Proxy.of(url)
        except BadProxy as error:
            raise BadProxy(
                f"{error} The environment names it; set `proxy`, or `trust_env = false`."
            ) from None


def _authorization(user: str | None, password: str | None) -> bytes:
    if not user:
        return b""
    both = f"{unquote(user)}:{unquote(password or '')}".encode()
    return b"proxy-authorization: Basic " + base64.b64encode(both) + b"\r\n"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
