"""The vectors of a passage's tokens: how they are stored, and how a question's are compared.

Late interaction, as in Khattab, Zaharia: ColBERT (2020): for each token of the question the likest
one of the passage, summed; here weighted, since MiniLM was not trained for it and every "the" finds
its like. It does not know how tokens get their vectors, nor where those are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from retrieval.config import RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.types import Hit, Index, Legs, Query, Vectors

FORM = 1
"""Rises when the same tokens would be stored otherwise, so that they are made anew."""
_STEPS = 127
_SMALL = 1 << 18
"""Products of one multiplication: for larger ones numpy's library calls in threads, whose waiting
for each other costs five times what is multiplied."""


def packed(vectors: Vectors) -> bytes:
    """A row for each token: the step as a half-precision number, and so many steps in a byte each.

    386 bytes for 384 numbers, where half precision alone takes 768."""
    rows = np.empty(len(vectors), _row(vectors.shape[1]))
    steps = (np.abs(vectors).max(axis=1) / _STEPS).astype(np.float16)
    rows["step"] = steps
    wide = np.maximum(steps.astype(np.float32), np.finfo(np.float16).tiny)[:, None]
    rows["numbers"] = np.clip(np.rint(vectors / wide), -_STEPS, _STEPS)
    return rows.tobytes()


def unpacked(stored: bytes, size: int) -> Vectors:
    rows = np.frombuffer(stored, _row(size))
    found: Vectors = rows["numbers"] * rows["step"].astype(np.float32)[:, None]
    return found


def weighted(vectors: Vectors, weights: Sequence[float]) -> Vectors:
    """A question's tokens, so that a sum over them is a mean by these weights."""
    total = sum(weights)
    shares = np.array(weights, np.float32) / (total or 1.0)
    found: Vectors = vectors * shares[:, None]
    return found


def likeness(question: Vectors, stored: bytes) -> float:
    """The weighted mean over the question's tokens of the cosine to the likest of the passage's."""
    if not len(question) or not stored:
        return 0.0
    rows = np.frombuffer(stored, _row(question.shape[1]))
    steps, numbers = rows["step"].astype(np.float32), rows["numbers"].astype(np.float32).T
    many = max(1, _SMALL // numbers.size)
    parts = (question[start : start + many] for start in range(0, len(question), many))
    return float(sum(((part @ numbers) * steps).max(axis=1).sum() for part in parts))


def blended(hits: Sequence[Hit], likenesses: Sequence[float], weight: float) -> list[Hit]:
    """Best first, by the fused score and by the likeness in its range, so that none of them gets
    behind what was not compared; equal ones stay in order."""
    scores = [hit.score for hit in hits]
    late = _in_range_of(scores, likenesses)
    scored = [
        replace(hit, score=(1 - weight) * hit.score + weight * other, tokens=likeness)
        for hit, other, likeness in zip(hits, late, likenesses, strict=True)
    ]
    return sorted(scored, key=lambda hit: -hit.score)


async def compared(
    index: Index,
    query: Query,
    hits: list[Hit],
    legs: Sequence[Legs],
    config: RetrievalConfig,
    told: Explanation,
) -> list[Hit]:
    """The best few in the order of the blend, the rest behind them as it was; all as it was where
    something has no token vectors."""
    top, rest = hits[: config.token_top], hits[config.token_top :]
    if query.tokens is None:
        told.note("Token vectors are not compared: the encoder has none of this question.")
        return hits
    places: dict[str, int] = {}
    for each in legs:
        places |= each.places
    stored = await index.token_vectors([places[hit.passage.id] for hit in top])
    found = [stored.get(places[hit.passage.id], b"") for hit in top]
    if not all(found):
        told.note(
            "Token vectors are not compared: not all passages have them. "
            "`moorline ingest` of the same documents makes them."
        )
        return hits
    question = query.tokens
    likenesses = await asyncio.to_thread(lambda: [likeness(question, one) for one in found])
    order = blended(top, likenesses, config.token_weight)
    told.saw("token vectors", order)
    return [*order, *rest]


def _in_range_of(scores: Sequence[float], others: Sequence[float]) -> Sequence[float]:
    """The others, from the least of the scores to the greatest."""
    least, most = min(others, default=0.0), max(others, default=0.0)
    if least == most:
        return scores
    low, span = min(scores), max(scores) - min(scores)
    return [low + span * (one - least) / (most - least) for one in others]


def _row(size: int) -> np.dtype[np.void]:
    return np.dtype([("step", "<f2"), ("numbers", "i1", (size,))])
