"""Found passages in the order of what a reranker read, beside how they were found.

A reader is small and has seen little; how a passage was found is evidence that it does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrieval.types import Hit, Passage, Reading, Span


def reread(hits: Sequence[Hit], readings: Sequence[Reading], fused_weight: float) -> list[Hit]:
    """Best first, by the relevance plus so many times the fused score; equal ones stay in order."""
    judged = [
        replace(hit, rerank=reading.relevance, answers=within(hit.passage, reading.answers))
        for hit, reading in zip(hits, readings, strict=True)
    ]
    return sorted(judged, key=lambda hit: -((hit.rerank or 0.0) + fused_weight * hit.score))


def within(passage: Passage, answers: Sequence[Span]) -> tuple[Span, ...]:
    """Answers in what is embedded as ones in the passage's text; those in its titles are none."""
    shift = len(passage.embedded) - len(passage.text)
    return tuple(
        Span(each.start - shift, each.end - shift, each.score)
        for each in answers
        if each.start >= shift
    )
