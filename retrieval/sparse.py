"""BM25 as sparse vectors: the document side carries term saturation and length, the query side
counts, and the index multiplies by inverse document frequency.

Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond (2009). The engine's IDF
is ln(1 + (N - n + 0.5) / (n + 0.5)), as in Lucene.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from retrieval.types import Passage, SparseVector
from retrieval.words import ENGLISH, terms

K1 = 1.5
B = 0.75
"""Saturation and length normalisation; the usual values, kept for every collection."""


def passage_terms(passage: Passage) -> list[str]:
    """The terms under which a passage is found, by the rules of the language that it is in."""
    language = passage.meta.get("language")
    return terms(passage.embedded, language if isinstance(language, str) else ENGLISH)


def document_vector(terms: Sequence[str], average_length: float) -> SparseVector:
    """A passage's weights; `average_length` is in terms, over the collection."""
    norm = K1 * (1 - B + B * len(terms) / max(average_length, 1.0))
    return _vector({term: n * (K1 + 1) / (n + norm) for term, n in Counter(terms).items()})


def query_vector(
    terms: Sequence[str], beside: Mapping[str, float] = MappingProxyType({})
) -> SparseVector:
    """A question's weights: how often each term is asked for, and what others count."""
    return _vector({**beside, **Counter(terms)})


def term_id(term: str) -> int:
    """A term's place in the vector: 32 bits of CRC, the same in every process."""
    return zlib.crc32(term.encode())


def _vector(weights: Mapping[str, float]) -> SparseVector:
    by_id: dict[int, float] = {}
    for term, weight in weights.items():
        by_id[term_id(term)] = by_id.get(term_id(term), 0.0) + weight  # collisions add up
    return SparseVector(tuple(by_id), tuple(float(weight) for weight in by_id.values()))
