"""Question and passage read together: a cross-encoder here, or an endpoint elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from retrieval import config
from retrieval.remote import Remote
from retrieval.types import RetrievalError

_BATCH = 32


class CrossEncoder:
    """Any sentence-transformers cross-encoder. Construction loads the model."""

    def __init__(self, chosen: config.CrossEncoderReranker) -> None:
        # Torch comes with it, so a gateway that reranks elsewhere or not at all never loads it.
        from sentence_transformers import (  # type: ignore[import-not-found,unused-ignore]
            CrossEncoder as Model,
        )

        self._model = Model(chosen.model, device=chosen.device)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rerank")

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._scored, question, texts)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _scored(self, question: str, texts: Sequence[str]) -> list[float]:
        pairs = [(question, text) for text in texts]
        scores = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        return [float(score) for score in scores]


class HttpReranker:
    """Any endpoint that speaks the /rerank shape of Cohere and Jina."""

    def __init__(self, chosen: config.HttpReranker) -> None:
        self._model = chosen.model
        self._remote = Remote(f"{chosen.base_url.rstrip('/')}/rerank", chosen.api_key)

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
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
            return [by_place[place] for place in range(len(texts))]
        except (KeyError, TypeError, ValueError) as error:
            raise RetrievalError(
                f"{self._remote.url} did not answer with a score for each passage."
            ) from error

    async def aclose(self) -> None:
        await self._remote.aclose()
