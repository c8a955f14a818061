"""What does the work of an ingestion: one small protocol, behind which machines swap.

An engine turns items into passages and texts into vectors. Which items, in which order, and what is
known already, is decided by whoever asks it, and nothing but that writes to the index: the result
is the same whichever engine it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from retrieval.chunking.chosen import chunker, recipe
from retrieval.config import RetrievalConfig
from retrieval.ingestion.reading import Reader, Same, Scan, Text
from retrieval.sources.types import Item
from retrieval.types import (
    Encoder,
    Metadata,
    Recorded,
    RetrievalError,
    TokenEncoder,
    Vectors,
)


@dataclass(frozen=True, slots=True)
class Job:
    """What is done to every item of an ingestion, so that any machine would do the same.

    It can be pickled where `scan` can, and has no secret in it."""

    config: RetrievalConfig  # nothing but how documents are split
    meta: Metadata
    scan: Scan | None
    scanner: str

    def reader(self, encoder: Encoder) -> Reader:
        """Called within the loop that the encoder runs in, see `chunker`."""
        split, how = chunker(self.config, encoder).split, recipe(self.config, encoder)
        return Reader(split, how, self.meta, self.scan, self.scanner)


def job(config: RetrievalConfig, meta: Metadata, scan: Scan | None, scanner: str) -> Job:
    """Of the collection's own settings, what splitting needs."""
    split = RetrievalConfig(
        chunker=config.chunker,
        passage_tokens=config.passage_tokens,
        token_vectors=config.token_vectors,  # of the recipe: turned on, documents are read again
    )
    return Job(split, meta, scan, scanner)


@dataclass(frozen=True, slots=True)
class Ahead:
    """How far stages run ahead of each other, so that the engine is kept busy and memory flat."""

    files: int  # under way to passages
    bytes: int  # of those files; a larger one is read alone
    groups: int  # of documents, under way to vectors


class Engine(Protocol):
    """For one ingestion."""

    @property
    def ahead(self) -> Ahead: ...

    async def read(self, item: Item, known: Recorded | None) -> Text | Same:
        """The item's passages, unless `known` has them. Raises Unreadable and RetrievalError."""
        ...

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """Embed these. As many may be asked for at once as one likes: they take turns.

        Raises RetrievalError."""
        ...

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        """The same, with their tokens' vectors: see `TokenEncoder`.

        Raises RetrievalError, also where the encoder tells none."""
        ...


async def with_tokens(encoder: Encoder, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
    """What an encoder makes of texts and their tokens. Raises RetrievalError."""
    if not isinstance(encoder, TokenEncoder):
        raise RetrievalError(f"The encoder {encoder.name!r} has no token vectors.")
    return await encoder.passages_and_tokens(texts)


Say: TypeAlias = Callable[[str], None]
"""Tells whoever watches, in a line."""


class Engines(Protocol):
    """What opens an engine for a job."""

    def __call__(self, job: Job, reader: Reader, say: Say) -> AbstractAsyncContextManager[Engine]:
        """`reader` is the job's on this machine. Raises RetrievalError."""
        ...
