"""Fewer repetitions among what is found: maximal marginal relevance, and a cap for each section.

Decisions over hits, no I/O. What two passages share is measured in words, since their vectors stay
in the index. Carbonell, Goldstein: The Use of MMR, SIGIR 1998.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from retrieval.sparse import passage_terms
from retrieval.types import Hit

_READ = 50
"""Hits that are compared with each other; those behind them keep their order."""


def diverse(hits: Sequence[Hit], newness: float) -> list[Hit]:
    """What repeats a better one comes later; `newness` is its share in the order, 0…1."""
    waiting, rest = list(hits[:_READ]), list(hits[_READ:])
    if len(waiting) < 2 or not newness:
        return [*waiting, *rest]
    words = {hit.passage.id: frozenset(passage_terms(hit.passage)) for hit in waiting}
    # By place, since scores after reranking are on no common scale.
    worth = {hit.passage.id: 1 - place / len(waiting) for place, hit in enumerate(waiting)}
    repeats = dict.fromkeys(words, 0.0)
    order: list[Hit] = []
    while waiting:
        best = max(
            waiting,
            key=lambda hit: (
                (1 - newness) * worth[hit.passage.id] - newness * repeats[hit.passage.id]
            ),
        )
        waiting.remove(best)
        order.append(best)
        taken = words[best.passage.id]
        for hit in waiting:
            name = hit.passage.id
            repeats[name] = max(repeats[name], _shared(taken, words[name]))
    return [*order, *rest]


def capped(hits: Sequence[Hit], per_section: int) -> tuple[list[Hit], list[Hit]]:
    """At most so many passages of one section, since a long one must not fill the prompt; and the
    others."""
    seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
    kept: list[Hit] = []
    others: list[Hit] = []
    for hit in hits:
        seen[hit.passage.section] += 1
        (kept if seen[hit.passage.section] <= per_section else others).append(hit)
    return kept, others


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's measure: of all words of both, those in both."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0
