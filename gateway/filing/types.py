"""What is known of files, of stores of vectors, and of the files in these."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from retrieval.types import Scalar

Status: TypeAlias = Literal["in_progress", "completed", "failed", "cancelled", "removing"]
"""OpenAI's, and the last of our own: no client is told of a file that is being taken out."""

GIVEN = "attributes"
"""Where a document's metadata names those that a client gave its file; all else was found."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a team has uploaded. Times are in seconds since 1970."""

    id: str  # file-…
    team: str
    filename: str
    purpose: str
    size: int  # in bytes
    created_at: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class VectorStore:
    """A collection that a client has made; its id is the collection's name."""

    id: str  # vs_…
    team: str
    name: str
    created_at: int
    last_active_at: int
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    chunking: Mapping[str, Any] = field(default_factory=dict)  # of files that bring none; OpenAI's
    expires_days: int | None = None  # after it was last active

    @property
    def expires_at(self) -> int | None:
        return self.last_active_at + self.expires_days * 86_400 if self.expires_days else None


@dataclass(frozen=True, slots=True)
class Attached:
    """A file in a store."""

    store: str
    file: str
    filename: str
    size: int  # of the file, in bytes
    status: Status
    created_at: int
    error: tuple[str, str] | None = None  # OpenAI's code, and the reason
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    chunking: Mapping[str, Any] = field(default_factory=dict)
    batch: str | None = None

    @property
    def source(self) -> str:
        """What its document is known by."""
        return f"{self.file}/{self.filename}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that were put into a store together."""

    id: str  # vsfb_…
    store: str
    created_at: int
    cancelled: bool = False


def named(kind: str, now: float) -> str:
    """A new id. In the order of the alphabet ids are in the order of time, so that what was made
    within one second is not listed at random."""
    return f"{kind}{int(now * 1e6):014x}{secrets.token_hex(6)}"


def file_of(source: str) -> tuple[str, str]:
    """The file's id and name in the source of a document that was attached."""
    name, _, filename = source.partition("/")
    return name, filename
