"""Texts to documents that can be indexed: each passage that is new is encoded once, others reused.

It knows which vectors there are already by the digest of what was encoded, and not where they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.ingestion.engines.types import Engine
from retrieval.ingestion.reading import Text
from retrieval.sparse import document_vector
from retrieval.types import Embedded, Vector, Vectors

SLICE = 128
"""Passages handed to the engine at once: the step of the progress."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """Encodes for one ingestion."""

    engine: Engine

    async def vectors(
        self,
        texts: Sequence[Text],
        known: Mapping[str, Vector],
        told: Callable[[int, int, float], None],
        tokens: dict[str, bytes] | None = None,
    ) -> dict[str, Vector]:
        """Vectors of all their passages by digest. `told`: how many are encoded and how many reused
        by now, and of which size they are. `tokens`: the known token vectors, where the collection
        has any; the new ones come in, and what has none counts as not known."""
        wanted: dict[str, tuple[str, float]] = {}
        for text in texts:
            share = text.size / len(text.passages)
            for passage in text.passages:
                embedded, size = passage.embedded, share
                if passage.digest in wanted:
                    size += wanted[passage.digest][1]
                wanted[passage.digest] = embedded, size
        there = wanted.keys() & known.keys()
        if tokens is not None:
            there &= tokens.keys()
        told(0, len(there), sum(wanted[digest][1] for digest in there))
        # Like goes with like: a batch is as slow as its longest text.
        new = sorted(wanted.keys() - there, key=lambda digest: len(wanted[digest][0]))
        found = {digest: known[digest] for digest in there}

        async def encode(digests: Sequence[str]) -> None:
            rows = await self._encoded(digests, [wanted[one][0] for one in digests], tokens)
            found.update(zip(digests, rows, strict=True))
            told(len(digests), 0, sum(wanted[digest][1] for digest in digests))

        starts = range(0, len(new), SLICE)
        slices = [asyncio.ensure_future(encode(new[start : start + SLICE])) for start in starts]
        try:
            await asyncio.gather(*slices)
        finally:
            for one in slices:
                one.cancel()
        return found

    async def _encoded(
        self, digests: Sequence[str], texts: Sequence[str], tokens: dict[str, bytes] | None
    ) -> Vectors:
        if tokens is None:
            return await self.engine.passages(texts)
        rows, made = await self.engine.passages_and_tokens(texts)
        tokens.update(zip(digests, made, strict=True))
        return rows


def assembled(
    texts: Sequence[Text],
    vectors: Mapping[str, Vector],
    average: float,
    tokens: Mapping[str, bytes] | None = None,
) -> list[Embedded]:
    """Documents with the vectors of both halves; `average` is a passage's length in terms."""
    return [
        Embedded(
            text.source,
            text.version,
            text.passages,
            _stacked([vectors[passage.digest] for passage in text.passages]),
            [document_vector(words, average) for words in text.terms],
            text.recipe,
            text.stamp,
            [tokens[passage.digest] for passage in text.passages] if tokens is not None else (),
        )
        for text in texts
    ]


def _stacked(rows: Sequence[Vector]) -> Vectors:
    stacked: Vectors = np.stack(rows)
    return stacked
