"""Any endpoint that speaks OpenAI's /v1/embeddings."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import numpy as np

from retrieval.config import HttpEncoder
from retrieval.remote import Remote
from retrieval.types import Query, RetrievalError, Vectors

_BATCH = 32
_AT_ONCE = 4
_UNIT = re.compile(r"[A-Za-z0-9]{1,5}|[^A-Za-z0-9\s]")


class HttpVectors:
    """An encoder elsewhere. Its tokenizer is not known here, so tokens are counted generously:
    five letters, or one character of any other kind, count as one."""

    def __init__(self, config: HttpEncoder) -> None:
        self.name, self.size, self.window = config.model, config.size, config.window
        self._remote = Remote(f"{config.base_url.rstrip('/')}/embeddings", config.api_key)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def query(self, text: str) -> Query:
        (vector,) = await self._embed([self._cut(text)])
        return Query(text, vector)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        for text in texts:
            if (tokens := self.count(text)) > self.window:
                raise RetrievalError(
                    f"A passage has about {tokens} tokens and the encoder takes {self.window}; "
                    f"it begins {text[:60]!r}. Make retrieval.passage_tokens smaller."
                )
        batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        parts = await asyncio.gather(*(self._embed(batch) for batch in batches))
        return np.concatenate(parts) if parts else np.empty((0, self.size), dtype=np.float32)

    def count(self, text: str) -> int:
        return 2 + sum(1 for _ in _UNIT.finditer(text))

    async def aclose(self) -> None:
        await self._remote.aclose()

    def _cut(self, text: str) -> str:
        for number, unit in enumerate(_UNIT.finditer(text), start=3):
            if number > self.window:
                return text[: unit.start()]
        return text

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        async with self._places:
            answer = await self._remote.post({"model": self.name, "input": list(texts)})
        try:
            data = sorted(answer["data"], key=lambda item: int(item["index"]))
            vectors = np.array([item["embedding"] for item in data], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise RetrievalError(f"{self._remote.url} did not answer with embeddings.") from error
        if vectors.shape != (len(texts), self.size):
            raise RetrievalError(
                f"{self._remote.url} answered {vectors.shape} for {len(texts)} texts; "
                f"retrieval.encoder.size is {self.size} and must be the model's."
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        normalised: Vectors = vectors / np.maximum(lengths, 1e-12)
        return normalised
