"""POST /v1/rerank and /v2/rerank: a client's texts ordered by a question, as Cohere's and Jina's
clients ask for it.

The answer has the fields of both: `meta` is Cohere's, `usage` and `model` are Jina's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.body import json_object, validated
from gateway.api.door import Endpoint, Reply, facts
from gateway.errors import GatewayError, InvalidRequest
from gateway.lookup import Ranked, RerankAsk
from gateway.pipeline import Gateway
from gateway.tracing.trace import Trace

PATHS = ("/v1/rerank", "/v2/rerank", "/rerank")
_MOST = 1_000


class Text(BaseModel):
    """A document as an object; other fields are given back with it."""

    model_config = ConfigDict(extra="allow")

    text: str


class RerankRequest(BaseModel):
    """A question and documents. `model` is not chosen by: the configured reranker reads."""

    model_config = ConfigDict(extra="ignore")

    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[str | Text], Field(min_length=1, max_length=_MOST)]
    model: str = ""
    top_n: int | None = Field(default=None, ge=1)
    return_documents: bool = False


class Rerank(Endpoint):
    """The endpoint."""

    def __init__(self, gateway: Callable[[], Gateway]) -> None:
        super().__init__(gateway, _error)

    async def _answer(
        self, gateway: Gateway, authorization: str | None, body: bytes, trace: Trace, reply: Reply
    ) -> None:
        try:
            asked = validated(RerankRequest, json_object(body))
            ask = RerankAsk(asked.query, _texts(asked.documents), asked.model)
        except InvalidRequest as error:
            await gateway.refused(authorization, error, trace, "rerank")
            raise
        ranked = await gateway.rerank(authorization, ask, trace)
        told = orjson.dumps(_told(asked, ranked, trace.id))
        await reply.json(200, told, [*facts(ranked.done), *ranked.headers])


def _texts(documents: Sequence[str | Text]) -> list[str]:
    return [each if isinstance(each, str) else each.text for each in documents]


def _told(asked: RerankRequest, ranked: Ranked, trace_id: str) -> dict[str, Any]:
    """Best first; of equal ones, those that came first."""
    order = sorted(range(len(ranked.scores)), key=lambda place: -ranked.scores[place])
    results = [_result(asked, place, ranked.scores[place]) for place in order[: asked.top_n]]
    return {
        "id": trace_id,
        "object": "list",
        "model": ranked.done.model.removeprefix("moorline/"),
        "results": results,
        "usage": {"total_tokens": ranked.done.usage.prompt},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }


def _result(asked: RerankRequest, place: int, score: float) -> dict[str, Any]:
    result: dict[str, Any] = {"index": place, "relevance_score": score}
    if asked.return_documents:
        document = asked.documents[place]
        result["document"] = (
            {"text": document} if isinstance(document, str) else document.model_dump()
        )
    return result


def _error(error: GatewayError, trace_id: str) -> bytes:
    """OpenAI's shape, with the message where Cohere's clients look for it."""
    return orjson.dumps({**error.body(), "message": error.message})
