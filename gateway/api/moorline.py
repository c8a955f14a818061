"""The field `moorline` of every dialect: what a request may say of its grounding, and what an
answer says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import InvalidRequest
from gateway.types import Ask, Done, Grounding, LongDocument, Progress
from routing.types import Strategy


class MoorlineOptions(BaseModel):
    """What a request may say about its grounding, under the key `moorline`."""

    model_config = ConfigDict(extra="forbid")

    collection: str | None = Field(default=None, description="Documents to answer from.")
    top_k: int | None = Field(default=None, ge=1, le=50, description="Passages to read.")
    grounding: Grounding | None = Field(default=None, description="strict, open or off.")
    filter: str | dict[str, Any] | None = Field(
        default=None,
        description='Over metadata, as text, `region = "EU" and year >= 2024`, or as an object, '
        '`{"region": "EU", "year": {"gte": 2024}}`.',
    )
    long_document: LongDocument | None = Field(
        default=None,
        description="How a text is read that is longer than the window: map_reduce, refine, "
        "hierarchical, or auto, which answers a question from the passages that bear on it. The "
        "answer then stands on that text and on no collection.",
    )
    cache: bool = Field(default=True, description="Whether an earlier answer may be given again.")
    region: str = Field(
        default="", max_length=64, description="Where the answer has to be made: `EU`."
    )
    strategy: Strategy | None = Field(
        default=None, description="A way to the answer that takes several calls."
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="Seconds in which an answer must have begun; else another one stands in, or "
        "none does. Nearer than the header x-request-timeout.",
    )


def with_options(ask: Ask, options: MoorlineOptions | None) -> Ask:
    """The request, grounded as its options say. Raises InvalidRequest."""
    if options is None:
        return ask
    grounding = options.grounding
    if options.long_document:
        if grounding not in (None, "off"):
            raise InvalidRequest(
                "An answer stands on a long document or on a collection, not on both.",
                param="moorline.long_document",
            )
        if options.strategy:
            raise InvalidRequest(
                "A long document is read by calls of its own, not by a strategy.",
                param="moorline.strategy",
            )
        grounding = "off"
    return replace(
        ask,
        long_document=options.long_document,
        collection=options.collection,
        top_k=options.top_k,
        grounding=grounding,
        where=options.filter,
        use_cache=options.cache,
        strategy=options.strategy,
        deadline=options.timeout,
        region=options.region,
    )


def comment(progress: Progress) -> bytes:
    """Progress as a comment among server-sent events, which every client passes over."""
    return b": moorline " + orjson.dumps({"progress": progress}) + b"\n\n"


def about(done: Done, trace_id: str) -> dict[str, Any]:
    """The `moorline` object: what answered, from what, at what cost."""
    return {
        "trace_id": trace_id,
        "model": done.model,
        "route": done.route,
        "cache": done.cache,
        "collection": done.collection,
        "grounding": done.grounding,
        "grounded": done.grounded,
        "faithfulness": done.faithfulness,
        "sources": done.sources,
        "tokens": done.tokens,
        "cost_usd": done.cost_usd,
        "strategy": done.strategy,
        "long_document": done.long_document,
        "continued": done.continued or None,
        "degraded": done.degraded or None,
        "withheld": done.withheld or None,
    }
