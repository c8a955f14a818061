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
        replace(hit, rerank=reading.relevance, answer=within(hit.passage, reading.answer))
        for hit, reading in zip(hits, readings, strict=True)
    ]
    return sorted(judged, key=lambda hit: -((hit.rerank or 0.0) + fused_weight * hit.score))


def within(passage: Passage, answer: Span | None) -> Span | None:
    """An answer in what is embedded as one in the passage's text; None where it is in its title."""
    shift = len(passage.embedded) - len(passage.text)
    if answer is None or answer.start < shift:
        return None
    return Span(answer.start - shift, answer.end - shift, answer.score)
