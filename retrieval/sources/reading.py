"""A stream's bytes, whole: refused at the first sign that they are of no use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Protocol

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Check, Limits

CHUNK = 1 << 20


class Readable(Protocol):
    """What gives bytes, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


def whole(chunks: Iterable[bytes], name: str, size: int = 0, limits: Limits = LIMITS) -> bytes:
    """All of it; `size` is what was announced, 0 where nothing was. Raises Unreadable."""
    check = Check(name, limits)
    check.expect(size)
    # Grown in place and handed out without a copy: a large file is never held twice.
    held = BytesIO()
    for chunk in chunks:
        check.feed(chunk)
        held.write(chunk)
    return held.getvalue()


def chunks(stream: Readable) -> Iterator[bytes]:
    """A stream in pieces."""
    while chunk := stream.read(CHUNK):
        yield chunk


def refuse(reason: str) -> bytes:
    """What reads an item of which it is known already that it cannot be read."""
    raise Unreadable(reason)
