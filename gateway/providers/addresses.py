"""Addresses inside messages, which nobody may look up from here for a caller; no I/O.

The gateway stands where the caller does not: inside a network, with keys. Pictures and files come
as data, or their address is passed on as it is to a cloud that looks it up itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Of messages, what holds parts; of parts, what is words to be read.
PLACES = ("content", "images")
WORDS = frozenset({"text", "thinking", "title", "context", "filename", "name", "input"})


def addresses(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Every address that a message has in place of data."""
    for message in messages:
        for place in PLACES:
            parts = message.get(place)
            if isinstance(parts, list | tuple):
                for part in parts:
                    yield from _inside(part)


def _inside(value: Any) -> Iterator[str]:
    match value:
        case str():
            if "://" in value:
                yield value
        case Mapping():
            for name, each in value.items():
                if name not in WORDS:
                    yield from _inside(each)
        case list() | tuple():
            for each in value:
                yield from _inside(each)
