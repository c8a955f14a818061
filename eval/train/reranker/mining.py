"""What the product's retriever finds for a question, in numpy: candidates and hard negatives.

The same terms, weights, vectors and blend as in `retrieval`, without an index on disk, since a
collection is searched many thousand times. It knows nothing of models that are trained.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.config import RetrievalConfig
from retrieval.sparse import K1, B
from retrieval.types import Encoder, Passage
from retrieval.words import query_terms, terms

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found for a question, best first; a score that a half did not see is its least."""

    places: Array
    fused: Array
    dense: Array  # cosine
    sparse: Array  # BM25


class Searched:
    """A collection's passages, ready to be searched."""

    def __init__(self, passages: Sequence[Passage], vectors: Array) -> None:
        self._vectors = vectors
        self._postings = _postings([terms(passage.embedded) for passage in passages])
        self._many = len(passages)

    def find(self, question: str, vector: Array, config: RetrievalConfig) -> Candidates:
        """Both halves' best, blended as `retrieval.fusion.weighted` does."""
        dense = self._vectors @ vector
        sparse = self._bm25(question)
        first, second = _best(dense, config.candidates), _best(sparse, config.candidates)
        second = second[sparse[second] > 0]
        floor = dense[first].min(initial=math.inf)
        by_dense = np.zeros(self._many, dtype=np.float32)
        by_dense[first] = _scaled(dense[first], floor)
        by_sparse = np.zeros(self._many, dtype=np.float32)
        by_sparse[second] = _scaled(sparse[second], 0.0)
        fused = config.dense_weight * by_dense + (1 - config.dense_weight) * by_sparse
        seen = np.union1d(first, second)
        order = seen[np.argsort(-fused[seen], kind="stable")]
        return Candidates(order, fused[order], dense[order], sparse[order])

    def _bm25(self, question: str) -> Array:
        scores = np.zeros(self._many, dtype=np.float32)
        for term, many in Counter(query_terms(question)).items():
            if term in self._postings:
                places, weights = self._postings[term]
                scores[places] += many * weights
        return scores


def _postings(words: Sequence[Sequence[str]]) -> dict[str, tuple[Array, Array]]:
    average = max(1.0, sum(map(len, words)) / max(1, len(words)))
    found: dict[str, list[tuple[int, float]]] = {}
    for place, each in enumerate(words):
        norm = K1 * (1 - B + B * len(each) / average)
        for term, n in Counter(each).items():
            found.setdefault(term, []).append((place, n * (K1 + 1) / (n + norm)))
    postings = {}
    for term, entries in found.items():
        rarity = math.log(1 + (len(words) - len(entries) + 0.5) / (len(entries) + 0.5))
        places, weights = zip(*entries, strict=True)
        postings[term] = (np.array(places), rarity * np.array(weights, dtype=np.float32))
    return postings


def _best(scores: Array, many: int) -> Array:
    if len(scores) <= many:
        return np.argsort(-scores, kind="stable")
    found = np.argpartition(-scores, many)[:many]
    return found[np.argsort(-scores[found], kind="stable")]


def _scaled(scores: Array, floor: float) -> Array:
    span = scores.max(initial=floor) - floor
    return (scores - floor) / span if span else np.ones_like(scores)


def vectors(texts: Sequence[str], encoder: Encoder, folder: Path, questions: bool = False) -> Array:
    """Embedded once, and kept in the folder."""
    digest = hashlib.sha256("\0".join((encoder.name, *texts)).encode()).hexdigest()[:16]
    path = folder / f"vectors-{digest}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, asyncio.run(_embedded(texts, encoder, questions)))
    return np.asarray(np.load(path))


async def _embedded(texts: Sequence[str], encoder: Encoder, questions: bool) -> Array:
    if not questions:
        return await encoder.passages(texts)
    return np.stack([(await encoder.query(text)).vector for text in texts])
