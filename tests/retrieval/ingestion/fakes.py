"""An index of a dictionary and an encoder of hashes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np

from retrieval.ingestion.tally import recorded
from retrieval.types import (
    Embedded,
    Legs,
    Passage,
    Query,
    Recorded,
    SparseVector,
    Vector,
    Vectors,
    Viewer,
    Where,
)


class Memory:
    """An index of a dictionary."""

    def __init__(self) -> None:
        self.held: dict[str, Embedded] = {}
        self.generation = 0
        self.length: float | None = None
        self.writes: list[list[str]] = []

    def edition(self) -> str:
        return str(self.generation)

    async def latest(self) -> str:
        return str(self.generation)

    async def documents(self) -> dict[str, Recorded]:
        return {source: recorded(document) for source, document in self.held.items()}

    async def write(self, documents: Sequence[Embedded], remove: Sequence[str] = ()) -> None:
        await asyncio.sleep(0)
        self.generation += 1
        self.writes.append([document.source for document in documents])
        self.held.update({document.source: document for document in documents})
        for source in remove:
            del self.held[source]

    async def tokens(self, source: str) -> dict[str, bytes]:
        document = self.held[source]
        pairs = zip(document.passages, document.tokens, strict=False)  # there may be none at all
        return {passage.digest: stored for passage, stored in pairs}

    async def token_vectors(self, places: Sequence[int]) -> dict[int, bytes]:
        return {}

    async def average_length(self) -> float | None:
        return self.length

    async def fix_average_length(self, terms: float) -> None:
        self.length = terms

    async def passages(self, source: str, viewer: Viewer | None = None) -> list[Passage]:
        return list(self.held[source].passages)

    async def vectors(self, source: str) -> dict[str, Vector]:
        document = self.held[source]
        passages = zip(document.passages, document.vectors, strict=True)
        return {passage.digest: vector for passage, vector in passages}

    async def around(
        self, wanted: Sequence[tuple[str, int, int]], viewer: Viewer | None = None
    ) -> list[list[Passage]]:
        return [list(self.held[source].passages[a : b + 1]) for source, a, b in wanted]

    async def search(
        self,
        vector: Vector,
        sparse: SparseVector,
        limit: int,
        where: Where | None = None,
        viewer: Viewer | None = None,
    ) -> Legs:
        raise NotImplementedError

    async def aclose(self) -> None: ...


class Hashing:
    """An encoder whose vectors come from a hash; it knows how much it was asked."""

    name, size, window = "hashing", 8, 256

    def __init__(self) -> None:
        self.texts = 0

    async def query(self, text: str) -> Query:
        return Query(text, (await self.passages([text]))[0])

    async def passages(self, texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(0)
        self.texts += len(texts)
        raw = b"".join(hashlib.sha256(text.encode()).digest() for text in texts)
        numbers = np.frombuffer(raw, dtype=np.uint8).reshape(len(texts), 32)[:, :8]
        found: Vectors = numbers.astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        return await self.passages(texts), [f"tokens of {text}".encode() for text in texts]

    def count(self, text: str) -> int:
        return len(text) // 4 + 2

    async def aclose(self) -> None: ...
