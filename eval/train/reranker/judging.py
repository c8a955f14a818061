"""How good the reader's order is: questions with what was found for them and how it was read.

The figures are over documents, as `moorline eval retrieval` gives them; what lies behind the
passages that are read keeps its place. It knows nothing of training.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eval.metrics import ndcg
from eval.train.reranker.material import Collection, Part
from eval.train.reranker.mining import Searched
from retrieval.config import RetrievalConfig
from retrieval.types import Reranker, Span

Array: TypeAlias = NDArray[Any]
Order: TypeAlias = Callable[["Judged"], Array]
"""From a question to the scores of the passages that were read for it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A question: the passages found for it, best first, of which the first were read."""

    question: str
    documents: Sequence[str]
    fused: Array
    dense: Array
    sparse: Array
    relevance: Array  # of the first of them
    answers: Sequence[Span | None]
    grades: Mapping[str, int]
    places: Sequence[int]

    def ndcg(self, scores: Array | None = None) -> float:
        """nDCG@10 of the fused order, or of the read passages in the order of these scores."""
        order = list(range(len(self.documents)))
        if scores is not None:
            order[: len(scores)] = [int(i) for i in np.argsort(-scores, kind="stable")]
        ranking = list(dict.fromkeys(self.documents[i] for i in order))
        return ndcg(ranking, self.grades, 10)


async def judged(
    collection: Collection,
    searched: Searched,
    vectors: Array,
    part: Part,
    reader: Reranker,
    config: RetrievalConfig,
    limit: int | None = None,
) -> list[Judged]:
    """The real questions of a part with their readings, as the product would make them."""
    chosen = [
        number
        for number, asked in enumerate(collection.asked)
        if asked.part == part and not asked.plain and asked.grades
    ]
    found = []
    for number in chosen[:limit]:
        asked = collection.asked[number]
        hits = searched.find(asked.text, vectors[number], config)
        read = [int(place) for place in hits.places[: config.rerank_top]]
        readings = await reader.read(asked.text, [collection.text(place) for place in read])
        found.append(
            Judged(
                question=asked.text,
                documents=[collection.passages[int(p)].document for p in hits.places],
                fused=hits.fused,
                dense=hits.dense,
                sparse=hits.sparse,
                relevance=np.array([reading.relevance for reading in readings]),
                answers=[reading.answer for reading in readings],
                grades=asked.grades,
                places=[int(place) for place in hits.places],
            )
        )
        await asyncio.sleep(0)
    return found


def mean(questions: Sequence[Judged], order: Order | None = None) -> float:
    """Mean nDCG@10."""
    return float(np.mean([q.ndcg(order(q) if order else None) for q in questions]))
