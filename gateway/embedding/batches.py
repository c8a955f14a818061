"""Many inputs as calls of the size that a model takes, so many at once, put back in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from gateway.embedding.config import EmbeddingModel
from gateway.embedding.merging import Merging
from gateway.embedding.types import Input
from gateway.errors import ProviderError
from gateway.providers.base import Embedded, Embedder, EmbeddingCall
from gateway.types import Usage

FIRST_WAIT, LONGEST_WAIT = 1.0, 4.0  # seconds before another attempt; what it asks for comes first


class Batches:
    """One model of one provider."""

    def __init__(self, embedder: Embedder, model: EmbeddingModel) -> None:
        self._embedder = embedder
        self._model = model
        self._slots = asyncio.Semaphore(model.parallel)
        self._merging = Merging(self._called, model.batch, model.batch_wait_ms / 1000)

    async def embed(self, inputs: Sequence[Input], params: Mapping[str, Any]) -> Embedded:
        """Raises ProviderError; then nothing of it goes on."""
        most = self._model.batch
        if len(inputs) <= most:
            if self._model.batch_wait_ms and len(inputs) < most:
                return await self._merging.embed(inputs, params)
            return await self._called(inputs, params)
        batches = [inputs[at : at + most] for at in range(0, len(inputs), most)]
        tasks = [asyncio.create_task(self._called(batch, params)) for batch in batches]
        try:
            return _joined(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _called(self, inputs: Sequence[Input], params: Mapping[str, Any]) -> Embedded:
        call = EmbeddingCall(self._model.name, inputs, params)
        async with self._slots:
            try:
                return await self._embedder.embed(call)
            except ProviderError as error:
                if not _worth_retrying(error) or self._model.attempts == 1:
                    raise
                wait = max(FIRST_WAIT, error.retry_after or 0.0)
            await asyncio.sleep(wait)
            # Built only now: the way without failures pays nothing for the retries.
            retrying = AsyncRetrying(
                stop=stop_after_attempt(self._model.attempts - 1),
                wait=wait_exponential_jitter(initial=2 * FIRST_WAIT, max=LONGEST_WAIT),
                retry=retry_if_exception(_worth_retrying),
                reraise=True,
            )
            return await retrying(self._embedder.embed, call)


def _joined(parts: Sequence[Embedded]) -> Embedded:
    vectors = [vector for part in parts for vector in part.vectors]
    prompt = sum(part.usage.prompt for part in parts)
    estimated = any(part.usage.estimated for part in parts)
    return Embedded(vectors, Usage(prompt=prompt, estimated=estimated))


def _worth_retrying(error: BaseException) -> bool:
    return (
        isinstance(error, ProviderError)
        and error.retryable
        and (error.retry_after or 0.0) <= LONGEST_WAIT
    )
