"""The index's backends, and documents that are made of words, for the suites over all of them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import numpy as np
import pytest

from retrieval.index.embedded import EmbeddedIndexes
from retrieval.index.qdrant import LOCAL, QdrantIndexes
from retrieval.sparse import document_vector
from retrieval.types import Embedded, Indexes, Metadata, Passage, Vector
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
