"""Requests and traces to put into a ledger."""

from __future__ import annotations

from typing import Any

from gateway.ledger.types import Request
from gateway.tracing.trace import Trace

NOON = 1_795_000_000.0  # some moment; the tests have no other clock


def a_request(trace_id: str = "a" * 32, at: float = NOON, **fields: Any) -> Request:
    """A request that went well, except for what is given."""
    usual: dict[str, Any] = {
        "key": "k_1",
        "team": "default",
        "model_asked": "auto",
        "status": 200,
        "latency_ms": 100.0,
    }
    return Request(trace_id=trace_id, at=at, **(usual | fields))


def a_trace(trace_id: str = "a" * 32) -> Trace:
    """A trace of two stages."""
    trace = Trace(trace_id)
    with trace.span("retrieve") as span:
        span.set(passages=[{"n": 1, "document": "returns.md", "score": 0.9, "text": "30 days."}])
    with trace.span("pack") as span:
        span.set(prompt=[{"role": "user", "content": "How long?"}], tokens={"total": 9})
    trace.attributes.update(question="How long?", answer="30 days [1].")
    return trace
