"""Embeddings of any server that speaks OpenAI's API, over our own client."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.errors import ProviderError
from gateway.providers.base import Embedded, EmbeddingCall
from gateway.providers.completions import Garbled, Reported
from gateway.providers.config import OpenAICompatibleProvider, VllmProvider
from gateway.providers.failures import retry_after
from gateway.providers.openai_compatible import OpenAICompatible, _headers
from gateway.providers.wire.client import Client, Endpoint
from gateway.types import Usage

LIMIT = 256 * 2**20  # bytes of an answer: two thousand vectors of four thousand numbers


class OpenAICompatibleEmbeddings(OpenAICompatible):
    """A provider by base URL, as one that embeds."""

    def __init__(self, config: OpenAICompatibleProvider | VllmProvider, client: Client) -> None:
        super().__init__(config, client)
        url = f"{config.addresses[0]}/embeddings"
        self._embeddings = Endpoint.of("POST", url, _headers(config))

    async def embed(self, call: EmbeddingCall) -> Embedded:
        """See Embedder."""
        body = _body(call)
        with self._failures.translated():
            async with await self._client.post(
                self._embeddings, body, self._plain, LIMIT
            ) as response:
                answer = await response.read()
                if not 200 <= response.status < 300:
                    raise self._failures.status(response.status, answer, retry_after(response))
                return embedded(answer, len(call.inputs))


def _body(call: EmbeddingCall) -> bytes:
    try:
        return orjson.dumps({**call.params, "model": call.model, "input": call.inputs})
    except orjson.JSONEncodeError as error:
        raise ProviderError(
            f"The request cannot be written as JSON: {error}", retryable=False
        ) from error


def embedded(body: bytes, number: int) -> Embedded:
    """An answer from its bytes. Raises Garbled and Reported."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled(f"it is not JSON, or cut short ({error})") from None
    return embedded_of(answer, number)


def embedded_of(answer: Any, number: int) -> Embedded:
    """An answer that has been parsed: as many vectors as there were inputs, in their order."""
    if not isinstance(answer, dict):
        raise Garbled("it is not a JSON object")
    if answer.get("error"):
        raise Reported(answer)
    data = answer.get("data")
    if not isinstance(data, list) or len(data) != number:
        raise Garbled(f"it has no {number} vectors")
    rows = [each for each in data if isinstance(each, dict)]
    rows.sort(key=lambda row: int(row.get("index", 0)))
    vectors = [row["embedding"] for row in rows if isinstance(row.get("embedding"), str | list)]
    if len(vectors) != number:
        raise Garbled("a vector of it is none")
    usage = answer.get("usage")
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Embedded(vectors, Usage(prompt=told) if isinstance(told, int) else Usage(estimated=True))
