"""What ingestion reads from: items that become documents, wherever they lie.

An item is cheap to list and read only when it is needed; it knows no format, a parser no source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from retrieval.types import Metadata, RetrievalError


class BadSource(RetrievalError):
    """What was asked for cannot be ingested at all: no such path, or one name for two files."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file, page or object."""

    source: str  # what its document is known by: a path below the given folder, or a URL
    name: str  # a file name, whose suffix says the format
    size: int  # in bytes, 0 where it is not known before reading
    read: Callable[[], bytes]
    """Blocking, so called in a thread. Raises Unreadable."""
    stamp: str = ""
    """Equal stamps mean equal bytes and metadata (of an ETag, or size and time of change, with what
    lies beside it); empty says nothing."""
    shown: str = ""  # how a failure names it; the source where empty
    meta: Metadata = field(default_factory=dict)  # for the document, such as `url`
    foreign: bool = False
    """Whether anybody may have written it, not only whoever keeps the place where it lies. What it
    supersedes is then for its metadata to say, not for its own text."""
    portable: bool = False
    """Whether `read` can be pickled, carries no secret and means the same on any machine that
    reaches what this one reaches."""


@dataclass(slots=True)
class Listing:
    """How a source was listed; filled while it is, whole when its items are through."""

    skipped: list[tuple[str, str]] = field(default_factory=list)  # name and reason
    unlisted: list[tuple[str, str]] = field(default_factory=list)  # what could not be looked into


class Source(Protocol):
    """Where items come from."""

    def items(self, listing: Listing) -> Iterable[Item]:
        """All items, in an order that stays. Blocking, in a thread. Raises BadSource."""
        ...
