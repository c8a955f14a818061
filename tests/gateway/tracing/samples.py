"""A finished request with everything that a trace can hold."""

from __future__ import annotations

from gateway.ledger.types import Request
from gateway.tracing.trace import Span, Trace

MS = 1_000_000  # nanoseconds
STARTED = 1_795_000_000.0
PROMPT = [
    {"role": "system", "content": "Answer from the sources."},
    {"role": "user", "content": "How long may I return it?"},
]
PASSAGES = [{"n": 1, "document": "returns.md", "score": 0.9, "text": "Within 30 days."}]


def an_answer(trace_id: str = "0af7651916cd43dd8448eb211c80319c") -> tuple[Request, Trace]:
    """A grounded, streamed answer: 120 ms, its first token after 60."""
    trace = Trace(trace_id)
    trace.started_at = STARTED
    trace.spans = [
        Span("authenticate", 0, MS),
        Span("screen", MS, 2 * MS, attributes={"verdict": "allow"}),
        Span("embed", 2 * MS, 4 * MS, attributes={"model": "minilm"}),
        Span("retrieve", 4 * MS, 9 * MS, attributes={"passages": PASSAGES}),
        Span("pack", 9 * MS, 10 * MS, attributes={"prompt": PROMPT, "tokens": {"total": 42}}),
        Span(
            "dispatch",
            10 * MS,
            60 * MS,
            attributes={"attempts": [{"model": "openai/gpt", "ms": 50.0, "error": None}]},
        ),
        Span("stream", 60 * MS, 110 * MS),
        Span("judge", 110 * MS, 119 * MS),
    ]
    trace.attributes = {
        "question": "How long may I return it?",
        "answer": "Within 30 days [1].",
        "session": "s-1",
    }
    request = Request(
        trace_id=trace_id,
        at=STARTED,
        key="k_1",
        team="support",
        model_asked="auto",
        model="openai/gpt",
        provider="openai",
        route="complex",
        collection="handbook",
        grounding="strict",
        cache="miss",
        stream=True,
        status=200,
        prompt_tokens=40,
        completion_tokens=8,
        cached_tokens=16,
        reasoning_tokens=3,
        cost_usd=0.0012,
        latency_ms=120.0,
        ttft_ms=60.0,
        grounded=True,
        faithfulness=1.0,
        sources=1,
        question="How long may I return it?",
    )
    return request, trace
