"""What clients write about stores and what they are told, in OpenAI's shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.errors import InvalidRequest
from gateway.filing.types import Attached, Batch, VectorStore

Attributes = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=64)],
        Annotated[str, StringConstraints(max_length=512)] | float | bool,
    ],
    Field(max_length=16),
]
Labels = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=64)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=16),
]


class Shape(BaseModel):
    """A body; what it does not know is an error, so that nothing is silently left undone."""

    model_config = ConfigDict(extra="forbid")


class ExpiresAfter(Shape):
    """How long a store lives without being used."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


class AutoChunking(Shape):
    """As the collection's configuration says."""

    type: Literal["auto"]


class StaticSizes(Shape):
    """In tokens of the encoder."""

    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0)


class StaticChunking(Shape):
    """Passages of one length with an overlap."""

    type: Literal["static"]
    static: StaticSizes


Chunking = Annotated[AutoChunking | StaticChunking, Field(discriminator="type")]


class NewStore(Shape):
    """A store to be made, perhaps with files in it."""

    name: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=4096)
    file_ids: list[str] = Field(default_factory=list, max_length=500)
    expires_after: ExpiresAfter | None = None
    chunking_strategy: Chunking | None = None
    metadata: Labels | None = None


class ChangedStore(Shape):
    """What of a store is to be otherwise."""

    name: str | None = Field(default=None, max_length=256)
    expires_after: ExpiresAfter | None = None
    metadata: Labels | None = None


class NewAttached(Shape):
    """A file to be put into a store."""

    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class ChangedAttached(Shape):
    """Other attributes for a file."""

    attributes: Attributes | None


class NewBatch(Shape):
    """Files to be put into a store together: ids that share everything, or each its own."""

    file_ids: list[str] | None = Field(default=None, min_length=1, max_length=2000)
    files: list[NewAttached] | None = Field(default=None, min_length=1, max_length=2000)
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None

    def each(self) -> list[NewAttached]:
        """Raises InvalidRequest."""
        if (self.file_ids is None) == (self.files is None):
            raise InvalidRequest("Either file_ids or files is needed.", param="file_ids")
        if self.files is not None:
            return self.files
        return [
            NewAttached(
                file_id=name,
                attributes=self.attributes,
                chunking_strategy=self.chunking_strategy,
            )
            for name in self.file_ids or ()
        ]


class RankingOptions(BaseModel):
    """Only the threshold is heeded: the ranker is the collection's own."""

    ranker: str | None = None
    score_threshold: float = Field(default=0.0, ge=0, le=1)


class Search(Shape):
    """A question to a store."""

    query: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    filters: dict[str, Any] | None = None
    max_num_results: int = Field(default=10, ge=1, le=50)
    ranking_options: RankingOptions | None = None
    rewrite_query: bool = False

    @property
    def text(self) -> str:
        return self.query if isinstance(self.query, str) else "\n".join(self.query)


def chunking(given: AutoChunking | StaticChunking | None) -> dict[str, Any]:
    """As it is kept; empty where nothing was said. Raises InvalidRequest."""
    if isinstance(given, StaticChunking):
        sizes = given.static
        if sizes.chunk_overlap_tokens > sizes.max_chunk_size_tokens // 2:
            raise InvalidRequest(
                "The overlap is at most half of a passage.",
                param="chunking_strategy.static.chunk_overlap_tokens",
            )
    return given.model_dump() if given else {}


def store(kept: VectorStore, files: Sequence[Attached], now: float) -> dict[str, Any]:
    """A store as clients know it."""
    expired = kept.expires_at is not None and kept.expires_at <= now
    counts = _counts(files)
    status = "expired" if expired else "in_progress" if counts["in_progress"] else "completed"
    after = {"anchor": "last_active_at", "days": kept.expires_days} if kept.expires_days else None
    return {
        "id": kept.id,
        "object": "vector_store",
        "created_at": kept.created_at,
        "name": kept.name,
        "description": kept.description or None,
        "usage_bytes": sum(one.size for one in files if one.status == "completed"),
        "file_counts": counts,
        "status": status,
        "expires_after": after,
        "expires_at": kept.expires_at,
        "last_active_at": kept.last_active_at,
        "metadata": dict(kept.metadata),
    }


def attached(one: Attached) -> dict[str, Any]:
    """A file in a store as clients know it."""
    error = {"code": one.error[0], "message": one.error[1]} if one.error else None
    return {
        "id": one.file,
        "object": "vector_store.file",
        "usage_bytes": one.size if one.status == "completed" else 0,
        "created_at": one.created_at,
        "vector_store_id": one.store,
        "status": one.status,
        "last_error": error,
        "attributes": dict(one.attributes),
        "chunking_strategy": _strategy(one.chunking),
    }


def batch(kept: Batch, files: Sequence[Attached]) -> dict[str, Any]:
    """A batch as clients know it. It is through when none of its files is waited for."""
    counts = _counts(files)
    status = "cancelled" if kept.cancelled else "completed"
    return {
        "id": kept.id,
        "object": "vector_store.files_batch",
        "created_at": kept.created_at,
        "vector_store_id": kept.store,
        "status": "in_progress" if counts["in_progress"] else status,
        "file_counts": counts,
    }


def _strategy(given: Mapping[str, Any]) -> dict[str, Any]:
    return dict(given) if given.get("type") == "static" else {"type": "other"}


def _counts(files: Sequence[Attached]) -> dict[str, int]:
    found = Counter[str](one.status for one in files)
    names = ("in_progress", "completed", "failed", "cancelled")
    return {**{name: found[name] for name in names}, "total": len(files)}
