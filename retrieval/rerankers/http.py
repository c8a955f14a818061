"""Any endpoint that speaks the /rerank shape of Cohere and Jina."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval import config
from retrieval.remote import Remote
from retrieval.types import Reading, RetrievalError


class HttpReranker:
    """It is asked for the score of every text, and looks for no answer."""

    def __init__(self, chosen: config.HttpReranker) -> None:
        self._model, self._weight = chosen.model, chosen.fused_weight
        self._remote = Remote(f"{chosen.base_url.rstrip('/')}/rerank", chosen.api_key)

    @property
    def fused_weight(self) -> float:
        return self._weight

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        if not texts:
            return []
        answer = await self._remote.post(
            {
                "model": self._model,
                "query": question,
                "documents": list(texts),
                "top_n": len(texts),
            }
        )
        try:
            by_place = {int(r["index"]): float(r["relevance_score"]) for r in answer["results"]}
            return [Reading(by_place[place]) for place in range(len(texts))]
        except (KeyError, TypeError, ValueError) as error:
            raise RetrievalError(
                f"{self._remote.url} did not answer with a score for each passage."
            ) from error

    async def aclose(self) -> None:
        await self._remote.aclose()
