"""Every way of finding that we ship, asked the same questions: the halves, their blends, reranked.

It yields rankings of documents; how good they are is for others to say.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from eval.datasets import Dataset
from eval.indexed import Indexed
from eval.references import DEEP, Rankings, distinct
from retrieval.config import RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.fusion import reciprocal_rank, weighted
from retrieval.retriever import Retriever
from retrieval.types import Encoder, Hit, Legs, Query, Reranker

SPARSE, DENSE, DEFAULT = "BM25 alone", "dense alone", "fused (default)"
COMPARED = "fused + token vectors"
WEIGHTED, RECIPROCAL, RERANKED = "fused, weighted", "fused, reciprocal", "fused + reranked"


async def ours(
    dataset: Dataset,
    ready: Indexed,
    encoder: Encoder,
    config: RetrievalConfig,
    reranker: Reranker | None,
    progress: Callable[[int], None],
) -> list[Rankings]:
    """Each way's rankings, the product's own search among them."""
    searching = _Searching(ready, config.model_copy(update={"top_k": DEEP}))
    for done, question in enumerate(dataset.questions, start=1):
        query = await encoder.query(question.text)
        await searching.ask(query)
        if reranker:
            await searching.rerank(query, reranker)
        progress(done)
    return searching.rankings()


class _Searching:
    """What every way has found so far, and in what time."""

    def __init__(self, ready: Indexed, config: RetrievalConfig) -> None:
        self._ready, self._config = ready, config
        self._plain = Retriever(config.model_copy(update={"token_vectors": False}))
        self._comparing = Retriever(config) if config.token_vectors else None
        self._found: dict[str, list[list[str]]] = {}
        self._clocks: dict[str, list[float]] = {}

    async def ask(self, query: Query) -> None:
        explanation = Explanation()
        started = time.perf_counter()
        hits = await self._plain.search(self._ready.index, query, explanation=explanation)
        self._took(DEFAULT, started)
        self._add(DEFAULT, hits)
        if self._comparing:
            started = time.perf_counter()
            compared = await self._comparing.search(self._ready.index, query)
            self._took(COMPARED, started)
            self._add(COMPARED, compared)
        legs = Legs(explanation.stages["dense"], explanation.stages["bm25"])
        self._add(SPARSE, legs.sparse)
        self._add(DENSE, legs.dense)
        if self._config.fusion == "weighted":
            self._add(RECIPROCAL, reciprocal_rank(legs))
        else:
            self._add(WEIGHTED, weighted(legs, self._config.dense_weight))

    async def rerank(self, query: Query, reranker: Reranker) -> None:
        # However long it takes: quality is measured here, and the time beside it.
        patient = self._config.model_copy(update={"rerank_ms": 60_000})
        started = time.perf_counter()
        hits = await Retriever(patient, reranker).search(self._ready.index, query)
        self._took(RERANKED, started)
        self._add(RERANKED, hits)

    def rankings(self) -> list[Rankings]:
        return [
            Rankings(name, found, self._p50(name)) for name, found in sorted(self._found.items())
        ]

    def _add(self, name: str, hits: Sequence[Hit]) -> None:
        documents = distinct(hit.passage.document for hit in hits)
        self._found.setdefault(name, []).append(documents)

    def _took(self, name: str, started: float) -> None:
        self._clocks.setdefault(name, []).append((time.perf_counter() - started) * 1000)

    def _p50(self, name: str) -> float | None:
        clock = self._clocks.get(name)
        return statistics.median(clock) if clock else None
