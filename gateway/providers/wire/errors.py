"""How an exchange over the wire fails.

WireError
├── ConnectFailed  no connection: refused, no such host, a certificate that is not trusted
├── PoolFull       all connections are in use, and too many wait for one, or for too long
├── Broken         the peer went away before the answer was whole
├── TimedOut       a deadline passed
└── BadAnswer      what came is not HTTP, or is larger than is allowed

The messages name the host and never a header, so no key is in them.
"""

from __future__ import annotations


class WireError(Exception):
    """Base of all."""


class ConnectFailed(WireError):
    """There is no connection to the peer."""


class PoolFull(WireError):
    """No connection is free. It is we who are busy, not the peer."""


class Broken(WireError):
    """The connection ended too early; `untouched` when it did so at once, before any answer: then
    the request has most likely not been read."""

    def __init__(self, message: str, *, untouched: bool = False) -> None:
        super().__init__(message)
        self.untouched = untouched


class TimedOut(WireError):
    """The peer did not answer in time."""


class BadAnswer(WireError):
    """The peer's answer cannot be used."""
