"""Two hundred requests of a week, always the same ones: what the pages are looked at with."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from gateway.ledger.types import Request
from gateway.tracing.trace import Span, Trace

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
MODELS = {
    "moorline/extractive": 0.0,
    "openai/gpt-5-mini": 0.9e-6,
    "anthropic/claude-sonnet-5": 6e-6,
    "vllm/qwen3-8b": 0.1e-6,
}
KEYS = {"k_4be1a90c11": "support", "k_90aa27f3d0": "website", "k_17cc5e8a42": "research"}
QUESTIONS = (
    "How long is the return window for opened headphones in the EU?",
    "What does error code E-417 on the Harbour 3 base station mean?",
    "Which hotel rates may I book on a business trip to Zurich?",
    "Is water damage covered by the extended warranty?",
    "How do I reset the Harbour 3 without losing its pairings?",
    "What is the shipping cost of a 12 kg parcel to Norway, and how long does it take?",
    "Who approves expenses above 500 euros?",
    "What changed between the 2024 and the 2025 travel policy?",
)
DOCUMENTS = (
    ("policies/returns-eu-2025.md", "Returns, European Union, 2025", "Opened goods › Audio", None),
    ("manuals/harbour-3.pdf", "Harbour 3: the manual", "Faults › Codes", 41),
    ("policies/returns-uk-2025.md", "Returns, United Kingdom, 2025", "Opened goods", None),
    ("faq.md", "Frequently asked questions", "Returning things", None),
    ("prices.csv", "Price list", "", None),
)
FAULTS = (
    (429, "rate_limit_exceeded", "RateLimited: 60 requests a minute are used up."),
    (503, "no_model_available", "NoModelAvailable: No model answered."),
    (400, "content_policy_violation", "Refused: The request was blocked by prompt_injection."),
    (499, "client_left", None),
)


def requests(
    now: float, count: int = 200, random: Random | None = None
) -> Iterator[tuple[Request, Trace]]:
    """Thicker towards `now`; the last one is hostile in every text that it holds."""
    random = random or Random(7)
    ages = sorted((random.expovariate(1 / 60_000) for _ in range(count - 1)), reverse=True)
    for age in ages:
        yield _one(random, now - age % (6.5 * 86_400) - 5)
    yield _one(random, now - 1, hostile=True)


def _one(random: Random, at: float, hostile: bool = False) -> tuple[Request, Trace]:
    trace = Trace(f"{random.getrandbits(128):032x}")
    trace.started_at = at
    kind = "plain" if hostile else _kind(random)
    question = HOSTILE if hostile else random.choice(QUESTIONS)
    model = random.choices(list(MODELS), (5, 4, 2, 3))[0]
    fault = random.choice(FAULTS) if kind == "fault" else None
    grounded = None if fault else random.random() < 0.9
    end = _spans(random, trace, kind, model, fault, question)
    answer = "" if fault else "Opened headphones may come back within 30 days [1], unless [7]. [2]"
    trace.attributes |= {"question": question, "answer": HOSTILE + answer if hostile else answer}
    prompt, completion = random.randint(700, 2600), random.randint(30, 420)
    hit = kind in ("exact", "semantic")
    key = random.choices(list(KEYS), (5, 3, 1))[0]
    request = Request(
        trace_id=trace.id,
        at=at,
        key=key,
        team="care" if key == "k_4be1a90c11" else "product",
        model_asked="auto",
        status=fault[0] if fault else 200,
        latency_ms=end / 1e6,
        model="" if fault else model,
        provider="" if fault else model.partition("/")[0],
        route="" if fault else random.choice(("cheap first", "grounded", "long input")),
        collection="handbook",
        grounding="strict",
        cache=kind if hit else "off" if fault else "miss",  # type: ignore[arg-type]
        stream=random.random() < 0.5,
        error_code=fault[1] if fault else None,
        prompt_tokens=0 if fault else prompt,
        completion_tokens=0 if fault else completion,
        cached_tokens=prompt // 2 if random.random() < 0.2 and not fault else 0,
        cost_usd=0.0 if fault or hit else MODELS[model] * (prompt + 4 * completion),
        ttft_ms=None if fault else first_token(trace, end) / 1e6,
        grounded=grounded,
        faithfulness=None if grounded is None else random.choice((1.0, 1.0, 0.93, 0.67)),
        sources=0 if fault else 5,
        question=question,
    )
    return request, trace


def first_token(trace: Trace, end: int) -> int:
    """When the answer began, in nanoseconds."""
    return next((span.start for span in trace.spans if span.name == "stream"), end)


def _kind(random: Random) -> Any:
    return random.choices(("plain", "exact", "semantic", "retried", "fault"), (10, 3, 2, 1, 1.2))[0]


def _spans(
    random: Random,
    trace: Trace,
    kind: str,
    model: str,
    fault: tuple[int, str, str | None] | None,
    question: str,
) -> int:
    """Fills in the stages; returns the end, in nanoseconds."""
    clock = 0

    def stage(name: str, ms: float, error: str | None = None, **attributes: Any) -> None:
        nonlocal clock
        start = clock + random.randint(1_000, 60_000)
        clock = start + int(ms * 1e6 * random.uniform(0.6, 1.6))
        trace.spans.append(Span(name, start, clock, error, attributes))

    stage("authenticate", 0.02)
    if fault and fault[0] == 429:
        stage("reserve", 0.1, fault[2])
        return clock
    stage("reserve", 0.1)
    if fault and fault[0] == 400:
        stage("screen", 0.4, fault[2], verdicts=[{"guard": "prompt_injection", "score": 0.98}])
        return clock
    stage("screen", 0.4, redacted={"email": 1})
    stage("cache.exact", 0.2)
    if kind == "exact":
        return clock
    stage("embed", 4.0)
    stage("cache.semantic", 0.6)
    if kind == "semantic":
        return clock
    stage("route", 0.1, reason="grounded", targets=[model], task="lookup", complexity=0.31)
    stage("retrieve", 18.0, passages=_passages(random, question))
    stage("screen.sources", 0.5)
    tokens = {"instructions": 214, "history": 120, "sources": 980, "question": 24, "total": 1338}
    stage("pack", 1.5, prompt=_prompt(question), tokens=tokens)
    if fault and fault[0] == 503:
        attempts = [{"model": model, "ms": 2000.0 + i, "error": "502: overloaded"} for i in (0, 31)]
        stage("dispatch", 4500.0, fault[2], attempts=attempts)
        return clock
    attempts = [{"model": model, "ms": 412.5, "error": None}]
    if kind == "retried":
        attempts.insert(0, {"model": "openai/gpt-5-mini", "ms": 1800.2, "error": "timed out"})
    stage("dispatch", 300.0 * len(attempts) ** 3, attempts=attempts)
    stage("stream", 700.0)
    stream = trace.spans[-1]
    # The judge works while the answer is told.
    trace.spans.append(Span("judge", stream.start + 2_000_000, stream.end - 500_000, None, {}))
    stage("keep", 0.4)
    return clock


def _passages(random: Random, question: str) -> list[dict[str, Any]]:
    hostile = question == HOSTILE
    return [
        {
            "n": number,
            "document": document,
            "title": HOSTILE if hostile else title,
            "section": HOSTILE if hostile else section,
            "page": page,
            "score": round(0.95 - number * 0.09 + random.uniform(0, 0.05), 4),
            "dense": round(random.uniform(0.3, 0.8), 4),
            "sparse": None if number == 5 else round(random.uniform(2, 19), 3),
            "text": HOSTILE
            if hostile
            else f"{title}. Opened headphones and earbuds may be sent back within 30 days of "
            "delivery when the seal of the hygiene bag is whole. The buyer pays for the parcel "
            "unless the goods were faulty; the refund follows within 14 days of their arrival.",
        }
        for number, (document, title, section, page) in enumerate(DOCUMENTS, 1)
    ]


def _prompt(question: str) -> list[dict[str, Any]]:
    return [
        {
            "role": "system",
            "content": "Answer from the sources alone and cite each claim as [n]. What they do "
            "not say, you do not know.\n\n[1] Returns, European Union, 2025\nOpened headphones …",
        },
        {"role": "user", "content": question},
    ]
