"""POST /v1/embeddings: OpenAI's format before the built-in encoder and any configured model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.body import json_object, validated
from gateway.api.door import Endpoint, Reply, facts
from gateway.embedding.types import EmbeddingAsk, Input
from gateway.errors import GatewayError, InvalidRequest
from gateway.pipeline import Gateway
from gateway.tracing.trace import Trace

KNOWN = frozenset({"model", "input", "encoding_format", "dimensions"})
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingsRequest(BaseModel):
    """Texts to embed; `model` may be the encoder's name, `auto`, or a model of a provider."""

    model_config = ConfigDict(extra="allow")

    model: str = "auto"
    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=2048)]
        | Tokens
        | Annotated[list[Tokens], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)


class Embeddings(Endpoint):
    """The endpoint."""

    def __init__(self, gateway: Callable[[], Gateway]) -> None:
        super().__init__(gateway, _error)

    async def _answer(
        self, gateway: Gateway, authorization: str | None, body: bytes, trace: Trace, reply: Reply
    ) -> None:
        try:
            ask = read_ask(body)
        except InvalidRequest as error:
            await gateway.refused(authorization, error, trace, "embeddings")
            raise
        made = await gateway.embed(authorization, ask, trace)
        data = [
            {"object": "embedding", "index": place, "embedding": vector}
            for place, vector in enumerate(made.vectors)
        ]
        tokens = made.done.usage.prompt
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        model = made.done.model.removeprefix("moorline/")
        told = {"object": "list", "model": model, "data": data, "usage": usage}
        await reply.json(200, orjson.dumps(told), [*facts(made.done), *made.headers])


def read_ask(body: bytes) -> EmbeddingAsk:
    """A request from its bytes. Raises InvalidRequest that names the field."""
    raw = json_object(body)
    request = validated(EmbeddingsRequest, raw)
    params = {key: value for key, value in raw.items() if key not in KNOWN and value is not None}
    inputs = _inputs(request.input)
    if any(not each.strip() for each in inputs if isinstance(each, str)):
        raise InvalidRequest("An input is empty.", param="input")
    return EmbeddingAsk(
        model=request.model,
        inputs=inputs,
        dimensions=request.dimensions,
        base64=request.encoding_format == "base64",
        params=params,
    )


def _inputs(given: Any) -> tuple[Input, ...]:
    """A text or a list of tokens is one input."""
    return (given,) if isinstance(given, str) or isinstance(given[0], int) else tuple(given)


def _error(error: GatewayError, trace_id: str) -> bytes:
    return orjson.dumps(error.body())
