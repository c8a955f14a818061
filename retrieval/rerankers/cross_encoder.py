"""Any sentence-transformers cross-encoder, on a GPU where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from retrieval import config
from retrieval.types import Reading

_BATCH = 32


class CrossEncoder:
    """Construction loads the model. It looks for no answer."""

    def __init__(self, chosen: config.CrossEncoderReranker) -> None:
        # Torch comes with it, so a gateway that reranks elsewhere or not at all never loads it.
        from sentence_transformers import (  # type: ignore[import-not-found,unused-ignore]
            CrossEncoder as Model,
        )

        self._weight = chosen.fused_weight
        self._model = Model(chosen.model, device=chosen.device)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rerank")

    @property
    def fused_weight(self) -> float:
        return self._weight

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        if not texts:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, question, texts)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        pairs = [(question, text) for text in texts]
        scores = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        return [Reading(float(score)) for score in scores]
