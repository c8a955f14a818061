"""A client that leaves in the middle of an answer, and what the upstream sees of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import httpx


class Leavable(Protocol):
    """An upstream that counts who left it before the end."""

    @property
    def left(self) -> int: ...


@contextmanager
def is_left(upstream: Leavable) -> Iterator[None]:
    """The upstream is left within a second of what is done inside."""
    before = upstream.left
    yield
    deadline = time.monotonic() + 1
    while upstream.left == before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert upstream.left == before + 1


def ask_and_leave(url: str, body: dict[str, Any]) -> None:
    """Read the first line of a stream, or wait a moment for a whole answer, and hang up."""
    with httpx.Client(timeout=httpx.Timeout(30, read=0.3)) as client:
        try:
            with client.stream("POST", url, json=body) as response:
                next(response.iter_lines())
        except httpx.ReadTimeout:
            assert not body.get("stream")
