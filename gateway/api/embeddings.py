"""POST /v1/embeddings, answered by the built-in encoder."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.errors import InvalidRequest, SourcesUnavailable, UnknownModel
from gateway.tracing.trace import Trace
from retrieval.types import RetrievalError, Vector

router = APIRouter()


class EmbeddingsRequest(BaseModel):
    """Texts to embed; `model` may be the encoder's name, `default` or `auto`."""

    model_config = ConfigDict(extra="allow")

    model: str = "auto"
    input: str | Annotated[list[str], Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


@router.post("/v1/embeddings", tags=["openai"])
async def embeddings(
    request: EmbeddingsRequest, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Vectors of length 1, in the order of the texts."""
    encoder = gateway.encoder
    known = {"auto", "default", encoder.name, encoder.name.removesuffix("-int8")}
    if request.model not in known:
        raise UnknownModel(
            f"Embeddings are made by '{encoder.name}', not by '{request.model}'.", param="model"
        )
    if request.dimensions not in (None, encoder.size):
        raise InvalidRequest(f"This encoder has {encoder.size} dimensions.", param="dimensions")
    texts = [request.input] if isinstance(request.input, str) else request.input
    if any(not text.strip() for text in texts):
        raise InvalidRequest("An input is empty.", param="input")
    counts = await asyncio.to_thread(lambda: [encoder.count(text) for text in texts])
    if max(counts) > encoder.window:
        place, most = counts.index(max(counts)), encoder.window
        raise InvalidRequest(
            f"Input {place} has {counts[place]} tokens; {encoder.name} takes {most}.", param="input"
        )
    tokens, trace = sum(counts), Trace()
    await gateway.accounting.embedded(caller, encoder.name, tokens, trace)
    try:
        vectors = await encoder.passages(texts)
    except RetrievalError as error:
        raise SourcesUnavailable(str(error)) from error
    return {
        "object": "list",
        "model": encoder.name,
        "data": [
            {"object": "embedding", "index": i, "embedding": _shown(row, request.encoding_format)}
            for i, row in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _shown(row: Vector, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    return [float(value) for value in row]
