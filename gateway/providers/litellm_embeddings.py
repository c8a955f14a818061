"""Embeddings of every other cloud, through litellm."""

from __future__ import annotations

import asyncio

from gateway.errors import ProviderError
from gateway.providers.base import Embedded, EmbeddingCall
from gateway.providers.embeddings import embedded_of
from gateway.providers.litellm import LiteLLM

# What a caller may set: litellm takes addresses and keys as arguments beside these.
PASSED = frozenset({"dimensions", "encoding_format", "user", "input_type"})


class LiteLlmEmbeddings(LiteLLM):
    """A provider that speaks whatever its models' names begin with, as one that embeds."""

    async def embed(self, call: EmbeddingCall) -> Embedded:
        """See Embedder."""
        for name in call.params:
            if name not in PASSED and name not in self._config.pass_fields:
                raise ProviderError(
                    f"'{name}' is not passed on to this provider (pass_fields).",
                    retryable=False,
                    upstream_status=400,
                    param=name,
                )
        given = {**call.params, **self._arguments, "model": call.model, "input": list(call.inputs)}
        with self._translated():
            async with asyncio.timeout(self._config.total_timeout):
                answer = await self._litellm.aembedding(**given)
            return embedded_of(answer.model_dump(), len(call.inputs))
