"""Any sentence-transformers model, on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found,unused-ignore]

from retrieval.config import SentenceTransformersEncoder
from retrieval.encoders.batching import Lanes
from retrieval.types import Query, RetrievalError, Vector, Vectors

_TOGETHER = 32
_UNSTATED_WINDOW = 512


class SentenceTransformers:
    """Construction loads the model, since its size and window are known only then."""

    def __init__(self, config: SentenceTransformersEncoder) -> None:
        self._model = SentenceTransformer(config.model, device=config.device)
        self.name = Path(config.model).name
        self.size = int(self._model.encode([""]).shape[1])
        self.window = int(self._model.max_seq_length or _UNSTATED_WINDOW)
        # One worker: a device takes one batch at a time.
        self._lanes: Lanes[Vector] = Lanes(
            self._run, self._checked, self.size, together=_TOGETHER, workers=1
        )

    async def query(self, text: str) -> Query:
        return Query(text, await self._lanes.query(text))

    async def passages(self, texts: Sequence[str]) -> Vectors:
        return await self._lanes.passages(texts)

    def count(self, text: str) -> int:
        return len(self._model.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    async def aclose(self) -> None:
        await self._lanes.aclose()

    def _checked(self, texts: Sequence[str]) -> Vectors:
        for text in texts:
            if (tokens := self.count(text)) > self.window:
                raise RetrievalError(
                    f"A passage has {tokens} tokens and the encoder takes {self.window}; "
                    f"it begins {text[:60]!r}. Make retrieval.passage_tokens smaller."
                )
        return self._run(texts)

    def _run(self, texts: Sequence[str]) -> Vectors:
        """The model cuts what exceeds its window, at its end."""
        vectors = self._model.encode(
            list(texts), batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)
