"""The index's backends, and documents that are made of words, for the suites over all of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.index.embedded import EmbeddedIndexes
from retrieval.index.qdrant import LOCAL, QdrantIndexes
from retrieval.sparse import document_vector
from retrieval.types import (
    Embedded,
    Indexes,
    Metadata,
    Passage,
    Query,
    RetrievalError,
    Vector,
    Vectors,
)
from retrieval.words import terms

SIZE = 8
KINDS = ["embedded", "qdrant in memory", "qdrant server"]


def made(kind: str, folder: Path) -> Indexes:
    match kind:
        case "embedded":
            return EmbeddedIndexes(folder, "test-encoder", SIZE)
        case "qdrant in memory":
            url = LOCAL
        case _:
            url = os.environ.get("QDRANT_URL", "")
            if not url:
                pytest.skip("QDRANT_URL is not set, so there is no server to test against")
    return QdrantIndexes(url, None, f"test_{uuid.uuid4().hex}_", "test-encoder", SIZE)


class Turned:
    """An encoder whose vectors have another size, and which may fail after some passages."""

    name, size, window = "other-encoder", 3, 512

    def __init__(self, life: int = 1_000_000) -> None:
        self.life = life

    async def query(self, text: str) -> Query:
        return Query(text, (await self.passages([text]))[0])

    async def passages(self, texts: Sequence[str]) -> Vectors:
        self.life -= len(texts)
        if self.life < 0:
            raise RetrievalError("The encoder is away.")
        turned = np.array([[len(text), sum(map(ord, text)) % 97, 1] for text in texts], np.float32)
        found: Vectors = turned / np.linalg.norm(turned, axis=1, keepdims=True)
        return found

    def count(self, text: str) -> int:
        return len(text)

    async def aclose(self) -> None: ...


def of_encoder(indexes: Indexes, name: str, size: int) -> Indexes:
    """The same collections as a process with another encoder sees them; close the first before."""
    if isinstance(indexes, EmbeddedIndexes):
        return EmbeddedIndexes(indexes._folder, name, size)
    assert isinstance(indexes, QdrantIndexes)
    other = QdrantIndexes(indexes._url, None, indexes._prefix, name, size)
    other.client = indexes.client  # what is in memory is seen by one client only
    return other


def vector(seed: int) -> Vector:
    numbers = np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)
    found: Vector = numbers / np.linalg.norm(numbers)
    return found


def embedded(
    source: str, *texts: str, version: str = "v1", meta: Metadata | None = None
) -> Embedded:
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}/{version}/{number}")),
            document=source,
            version=version,
            ordinal=number,
            title=f"Title of {source}",
            headings=("A", f"Part {number}"),
            text=text,
            start=number * 10,
            end=number * 10 + len(text),
            page=number + 1,
            meta=meta or {},
        )
        for number, text in enumerate(texts)
    ]
    vectors = np.stack([vector(sum(map(ord, text))) for text in texts])
    sparse = [document_vector(terms(text), 4) for text in texts]
    return Embedded(source, version, passages, vectors, sparse)
