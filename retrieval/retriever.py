"""Sparse ∥ dense → fuse → rerank → distinct → widened.

Owns no encoder: the question comes with its vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from retrieval.config import RetrievalConfig
from retrieval.fusion import weighted
from retrieval.rerankers.order import reread
from retrieval.sparse import query_vector
from retrieval.types import Hit, Index, Query, Reranker, Where
from retrieval.widening import merged, widened
from retrieval.words import query_terms


class Retriever:
    """Finds the passages that bear on a question."""

    def __init__(self, config: RetrievalConfig, reranker: Reranker | None = None) -> None:
        self._config = config
        self._reranker = reranker

    async def search(
        self, index: Index, query: Query, top_k: int | None = None, where: Where | None = None
    ) -> list[Hit]:
        """At most `top_k` passages, best first. Raises RetrievalError, BadFilter."""
        wanted = top_k or self._config.top_k
        sparse = query_vector(query_terms(query.text))
        limit = max(self._config.candidates, wanted)
        legs = await index.search(query.vector, sparse, limit, where)
        hits = weighted(legs, self._config.dense_weight)
        if self._reranker:
            hits = await self._reranked(self._reranker, query.text, hits)
        best = distinct(merged(hits, wanted), self._config.per_section)[:wanted]
        return await widened(index, best)

    async def _reranked(self, reranker: Reranker, text: str, hits: Sequence[Hit]) -> list[Hit]:
        """The best few as the reranker reorders them, the rest behind them as it was."""
        top, rest = hits[: self._config.rerank_top], hits[self._config.rerank_top :]
        readings = await reranker.read(text, [hit.passage.embedded for hit in top])
        return [*reread(top, readings, reranker.fused_weight), *rest]


def distinct(hits: Iterable[Hit], per_section: int) -> list[Hit]:
    """At most so many passages of one section: a long one must not fill the prompt."""
    seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
    kept = []
    for hit in hits:
        seen[hit.passage.section] += 1
        if seen[hit.passage.section] <= per_section:
            kept.append(hit)
    return kept
