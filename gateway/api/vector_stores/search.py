"""POST /v1/vector_stores/{name}/search: the passages themselves, without an answer made of them.

Searched is a store of the caller's team, or any collection that his key may read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from gateway.api.body import json_object, validated
from gateway.api.door import Endpoint, Reply, facts
from gateway.api.vector_stores import shapes
from gateway.errors import GatewayError, InvalidRequest, NotFound
from gateway.filing.types import GIVEN, file_of
from gateway.lookup import SearchAsk
from gateway.pipeline import Gateway
from gateway.tracing.trace import Trace
from retrieval.filters import condition
from retrieval.types import BadFilter, Hit

PATH = "/v1/vector_stores/{name}/search"


class Searches:
    """The route: its endpoint is made for the store that the path names."""

    def __init__(self, gateway: Callable[[], Gateway]) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _Search(self._gateway, scope["path_params"]["name"])(scope, receive, send)


class _Search(Endpoint):
    """A search in one store."""

    def __init__(self, gateway: Callable[[], Gateway], name: str) -> None:
        super().__init__(gateway, _error)
        self._name = name

    async def _answer(
        self, gateway: Gateway, authorization: str | None, body: bytes, trace: Trace, reply: Reply
    ) -> None:
        try:
            asked = validated(shapes.Search, json_object(body))
            condition(asked.filters)
        except (InvalidRequest, BadFilter) as error:
            refusal = (
                error
                if isinstance(error, InvalidRequest)
                else InvalidRequest(str(error), param="filters")
            )
            await gateway.refused(authorization, refusal, trace, "search")
            raise refusal from None
        caller = gateway.accounts.identify(authorization)
        try:
            store = await gateway.shelves.stores.one(caller.team, self._name)
        except NotFound:
            store = None  # perhaps a collection that was ingested from the command line
        if store:
            try:
                await gateway.shelves.stores.used(store)
            except (InvalidRequest, NotFound) as error:  # it has expired, or was just deleted
                await gateway.refused(authorization, error, trace, "search")
                raise
        ask = SearchAsk(
            asked.text, self._name, asked.max_num_results, asked.filters, own=store is not None
        )
        found = await gateway.search(authorization, ask, trace)
        least = asked.ranking_options.score_threshold if asked.ranking_options else 0.0
        hits = [hit for hit in found.hits if _score(hit) >= least]
        told = orjson.dumps(_told(asked.text, hits))
        await reply.json(200, told, [*facts(found.done), *found.headers])


def _told(question: str, hits: Sequence[Hit]) -> dict[str, Any]:
    return {
        "object": "vector_store.search_results.page",
        "search_query": [question],
        "data": [_result(hit) for hit in hits],
        "has_more": False,
        "next_page": None,
    }


def _result(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    if (given := passage.meta.get(GIVEN)) is not None:
        file, filename = file_of(passage.document)
        shown = {name: value for name, value in passage.meta.items() if name in _names(given)}
    else:  # ingested from the command line
        file = filename = passage.document
        shown = dict(passage.meta)
    return {
        "file_id": file,
        "filename": filename,
        "score": round(_score(hit), 6),
        "attributes": {
            name: value if isinstance(value, str | int | float) else ", ".join(value)
            for name, value in shown.items()
        },
        "content": [{"type": "text", "text": passage.text}],
    }


def _names(given: object) -> Sequence[str]:
    return [str(name) for name in given] if isinstance(given, Sequence) else ()


def _score(hit: Hit) -> float:
    """From 0 to 1, as clients expect it."""
    return min(1.0, max(0.0, hit.score))


def _error(error: GatewayError, trace_id: str) -> bytes:
    return orjson.dumps(error.body())
