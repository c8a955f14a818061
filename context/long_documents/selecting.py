"""Which passages of a long text bear on a question: BM25 over the text's own passages.

Words alone: to embed a text for the sake of one question takes longer than its answer.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from context.tokens import Counter as Tokens
from retrieval.chunking.sections import Sections
from retrieval.language import language
from retrieval.sparse import document_vector, passage_terms, term_id
from retrieval.types import Document, Hit, Passage
from retrieval.words import ENGLISH, query_terms

PASSAGE = 250
"""Tokens of a passage, at most."""


def passages(document: Document, count: Tokens) -> list[Passage]:
    """The text's passages, in order. Computes: not for the event loop."""
    spoken = language(document.text)
    meta = {**document.meta, "language": spoken} if spoken else document.meta
    return Sections(count, PASSAGE).split(replace(document, meta=meta))


def ranked(question: str, found: Sequence[Passage]) -> list[Hit]:
    """Those that share a word with the question, best first. Computes: not for the event loop."""
    terms = [passage_terms(passage) for passage in found]
    average = sum(map(len, terms)) / max(1, len(terms))
    holding: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for place, said in enumerate(terms):
        vector = document_vector(said, average)
        for term, weight in zip(vector.indices, vector.values, strict=True):
            holding[term].append((place, weight))
    scores: Counter[int] = Counter()
    asked = query_terms(question, (str(found[0].meta.get("language", ENGLISH)),)) if found else ()
    for term, times in Counter(map(term_id, asked)).items():
        held = holding.get(term, [])
        idf = math.log(1 + (len(found) - len(held) + 0.5) / (len(held) + 0.5))
        for place, weight in held:
            scores[place] += times * idf * weight  # type: ignore[assignment]
    best = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
    return [Hit(found[place], float(score), sparse=float(score)) for place, score in best]


def within(hits: Sequence[Hit], count: Tokens, budget: int) -> list[Hit]:
    """The best of them, up to so many tokens."""
    kept: list[Hit] = []
    for hit in hits:
        budget -= count(hit.passage.text)
        if budget < 0 and kept:
            break
        kept.append(hit)
    return kept
