"""A request and its trace as database rows, and back.

A row must never be refused for what a client wrote into it, so text is made storable here: no
lone surrogates (not UTF-8), no NUL (not PostgreSQL), nothing endless.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.ledger.database import Row
from gateway.ledger.types import Recorded, Request
from gateway.tracing.trace import Span, Trace

QUESTION_LENGTH = 500  # characters of the question that the list of traces shows
BODY_LENGTH = 1_000_000  # bytes; a longer trace is kept without its attributes
STEP = math.log(1.02)  # latencies are counted in steps of 2 %: a percentile is within 1 %
DEEPEST = 100  # levels of an attribute

NAMES = (
    *("at", "trace_id", "key", "team", "model_asked", "model", "provider", "route", "collection"),
    *("grounding", "cache", "stream", "status", "error_code", "prompt_tokens"),
    *("completion_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "latency_ms"),
    *("latency_step", "ttft_ms", "grounded", "faithfulness", "sources", "question"),
    *("door", "degraded", "attempts", "context", "experiment", "unit"),
)
COLUMNS = ", ".join(NAMES)


def microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def latency_step(milliseconds: float) -> int:
    """The step that a latency falls into; everything under 10 µs is step 0."""
    return round(math.log(max(milliseconds, 0.01) / 0.01) / STEP)


def step_latency(step: int) -> float:
    """The latency in the middle of a step, in milliseconds."""
    return 0.01 * math.exp(step * STEP)


def row(request: Request) -> Row:
    """In the order of NAMES."""
    r = request
    return (
        microseconds(r.at),
        _text(r.trace_id),
        r.key,
        r.team,
        _text(r.model_asked),
        _text(r.model),
        r.provider,
        r.route,
        _text(r.collection),
        r.grounding,
        r.cache,
        int(r.stream),
        r.status,
        r.error_code,
        r.prompt_tokens,
        r.completion_tokens,
        r.cached_tokens,
        r.reasoning_tokens,
        r.cost_usd,
        r.latency_ms,
        latency_step(r.latency_ms),
        r.ttft_ms,
        None if r.grounded is None else int(r.grounded),
        r.faithfulness,
        r.sources,
        _text(r.question[:QUESTION_LENGTH]),
        r.door,
        r.degraded,
        r.attempts,
        orjson.dumps(r.context).decode() if r.context else "",
        r.experiment,
        r.unit,
    )


def trace_row(request: Request, trace: Trace) -> Row:
    return (microseconds(request.at), _text(request.trace_id), body(trace))


def request(row: Row) -> Request:
    """The request of a row in the order of NAMES."""
    values = dict(zip(NAMES, row, strict=True))
    del values["latency_step"]
    values["at"] /= 1e6
    values["stream"] = bool(values["stream"])
    values["context"] = orjson.loads(values["context"]) if values["context"] else {}
    if values["grounded"] is not None:
        values["grounded"] = bool(values["grounded"])
    return Request(**values)


def body(trace: Trace) -> bytes:
    """Spans and attributes as JSON."""
    packed = _json({"attributes": trace.attributes, "spans": trace.spans})
    if len(packed) <= BODY_LENGTH:
        return packed
    spans = [Span(s.name, s.start, s.end, s.error and s.error[:1000]) for s in trace.spans]
    return _json({"attributes": {"too_long": len(packed)}, "spans": spans})


def recorded(row: Row, body: bytes | None) -> Recorded:
    """The request of a row with the trace that `body` holds."""
    if body is None:
        return Recorded(request(row))
    content = orjson.loads(body)
    return Recorded(
        request(row), tuple(Span(**span) for span in content["spans"]), content["attributes"]
    )


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # a lone surrogate, a huge integer, a key that is no string, a loop
        return orjson.dumps(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """What JSON can hold of any value."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)
    if depth > DEEPEST:
        return "…"
    if isinstance(value, Span):
        value = {name: getattr(value, name) for name in Span.__slots__}
    if isinstance(value, Mapping):
        return {_text(str(name)): _plain(v, depth + 1) for name, v in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (str, bytes)):
        return [_plain(item, depth + 1) for item in value]
    return _text(str(value))


def _text(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "")
