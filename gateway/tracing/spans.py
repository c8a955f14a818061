"""A finished request as a tree of spans, in the words of OpenTelemetry's GenAI conventions.

Plain values: neither OpenTelemetry nor a network is needed to make or to test them. Two stages,
`dispatch` (until the first token) and `stream` (from it on), are one call to a model, so the tree
has a span around them that carries usage and cost; nothing else does, or it would be counted twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

from gateway.ledger.types import Request
from gateway.tracing.trace import Span, Trace

Scalar: TypeAlias = str | int | float | bool
Kind: TypeAlias = Literal["server", "client", "internal"]

REQUEST = "request"
GENERATION = "generation"
_CALL = ("dispatch", "stream")


@dataclass(frozen=True, slots=True)
class Node:
    """One span. Times are nanoseconds since the epoch."""

    stage: str  # ours: `retrieve`, `pack` …, REQUEST for the root, GENERATION for a model's call
    name: str  # the convention's
    kind: Kind
    start: int
    end: int
    attributes: Mapping[str, Scalar]
    error: str | None = None
    children: tuple[Node, ...] = ()


def tree(request: Request, trace: Trace) -> Node:
    """The request with its stages below it."""
    origin = round(trace.started_at * 1e9)
    end = origin + round(request.latency_ms * 1e6)
    stages = [_stage(span, request, trace, origin) for span in trace.spans]
    call = [node for node in stages if node.stage in _CALL]
    if any(node.stage == "dispatch" for node in call):
        first = stages.index(call[0])
        stages = [node for node in stages if node.stage not in _CALL]
        stages.insert(first, _generation(request, trace, call))
    return Node(
        stage=REQUEST,
        name="moorline.answer",
        kind="server",
        start=origin,
        end=max([end, *(node.end for node in stages)]),
        attributes=_present(_request_attributes(request, trace)),
        error=request.error_code if request.status >= 500 else None,
        children=tuple(stages),
    )


def numeric(trace_id: str) -> int:
    """A trace id as OpenTelemetry has it, 128 bits; one that is not W3C's is hashed into one."""
    try:
        number = int(trace_id, 16) if len(trace_id) == 32 else 0
    except ValueError:
        number = 0
    return number or int.from_bytes(hashlib.sha256(trace_id.encode()).digest()[:16])


def text(value: Any) -> str:
    """Any attribute as text: JSON where it has parts."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def prompt_of(trace: Trace) -> Sequence[Mapping[str, Any]]:
    """The messages that the model was sent."""
    return next((s.attributes.get("prompt", ()) for s in trace.spans if s.name == "pack"), ())


def _request_attributes(request: Request, trace: Trace) -> dict[str, Any]:
    return {
        "http.response.status_code": request.status,
        "error.type": request.error_code,
        "moorline.key": request.key,
        "moorline.team": request.team,
        "moorline.model.asked": request.model_asked,
        "moorline.model": request.model,
        "moorline.route": request.route,
        "moorline.collection": request.collection,
        "moorline.cache": request.cache,
        "moorline.degraded": request.degraded or None,
        "moorline.grounding": request.grounding,
        "moorline.grounded": request.grounded,
        "moorline.faithfulness": request.faithfulness,
        "moorline.sources": request.sources,
        "moorline.question": trace.attributes.get("question"),
        "moorline.answer": trace.attributes.get("answer"),
    }


def _generation(request: Request, trace: Trace, call: Sequence[Node]) -> Node:
    model = request.model.partition("/")[2] or request.model or request.model_asked
    start = call[0].start
    streamed = [node.start - start for node in call if node.stage == "stream"]
    answer = trace.attributes.get("answer")
    prompt = prompt_of(trace)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": request.provider,
        "gen_ai.request.model": model,
        "gen_ai.request.stream": request.stream,
        "gen_ai.response.model": model,
        "gen_ai.response.time_to_first_chunk": streamed[0] / 1e9 if streamed else None,
        "gen_ai.usage.input_tokens": request.prompt_tokens,
        "gen_ai.usage.output_tokens": request.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": request.cached_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": request.reasoning_tokens or None,
        "gen_ai.input.messages": text([_message(each) for each in prompt]) if prompt else None,
        "gen_ai.output.messages": text([_said("assistant", answer)]) if answer else None,
        "moorline.cost_usd": request.cost_usd,
    }
    return Node(
        stage=GENERATION,
        name=f"chat {model}",
        kind="client",
        start=start,
        end=max(node.end for node in call),
        attributes=_present(attributes),
        error=next((node.error for node in call if node.error), None),
        children=tuple(call),
    )


def _stage(span: Span, request: Request, trace: Trace, origin: int) -> Node:
    name, attributes = span.name, dict(span.attributes)
    shown: dict[str, Any] = {}
    if span.name == "retrieve":
        name = f"retrieval {request.collection}".rstrip()
        shown = _retrieval(attributes.get("passages", ()), request, trace)
    elif span.name == "embed":
        model = attributes.get("model")
        name = f"embeddings {model or ''}".rstrip()
        shown = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": model}
    elif span.name == "pack":
        attributes.pop("prompt", None)  # the generation has it, in the convention's form
    shown |= {f"moorline.{key}": value for key, value in attributes.items()}
    return Node(
        stage=span.name,
        name=name,
        kind="internal",
        start=origin + span.start,
        end=origin + (span.end if span.end >= span.start else round(request.latency_ms * 1e6)),
        attributes=_present(shown),
        error=span.error,
    )


def _retrieval(
    passages: Sequence[Mapping[str, Any]], request: Request, trace: Trace
) -> dict[str, Any]:
    found = [{"id": each.get("document"), "score": each.get("score")} for each in passages]
    return {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": request.collection,
        "gen_ai.retrieval.query.text": trace.attributes.get("question"),
        "gen_ai.retrieval.documents": text(found) if found else None,
    }


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return _said(str(message.get("role", "")), message.get("content"))


def _said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text(content or "")}]}


def _present(attributes: Mapping[str, Any]) -> dict[str, Scalar]:
    """What OpenTelemetry can hold: no blanks, and parts as JSON."""
    return {
        key: value if isinstance(value, (str, bool, int, float)) else text(value)
        for key, value in attributes.items()
        if value is not None and value != ""
    }
