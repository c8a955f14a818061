"""What is counted of every request when it is over: a few additions, no labels to look up.

Belongs to the event loop's thread. A label has only values that the configuration names, so that
no client can make the counters grow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.ledger.types import Request
from gateway.metrics.exposition import Family, Histogram, Sample
from gateway.tracing.trace import Trace

OTHER = "other"  # a model that the configuration does not name, or none

# Milliseconds. The gateway's own share of a request is looked at much closer than the models'.
DURATIONS = (
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1000,
    2500,
    5000,
    10_000,
    20_000,
    40_000,
    80_000,
    160_000,
)
OVERHEADS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000)


class _Model:
    """One model's requests."""

    __slots__ = ("cached", "completion", "cost", "duration", "ends", "first", "prompt", "reasoning")

    def __init__(self) -> None:
        self.ends: defaultdict[tuple[str, int, str], int] = defaultdict(int)
        self.prompt = self.completion = self.cached = self.reasoning = 0
        self.cost = 0.0
        self.duration = Histogram(DURATIONS)
        self.first = Histogram(DURATIONS)


class Counts:
    """Since the process began."""

    def __init__(self) -> None:
        self._other = _Model()
        self._bases: Mapping[str, str] = {}
        self._models: dict[str, _Model] = {}
        self._calls: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._degraded: defaultdict[str, int] = defaultdict(int)
        self._overhead = Histogram(OVERHEADS)
        self._nearly_full: defaultdict[str, int] = defaultdict(int)

    def know(self, names: Iterable[str], bases: Mapping[str, str] | None = None) -> None:
        """Count these models apart from now on; those known before stay. Adapters, which may be
        many, count as their provider's base."""
        for name in names:
            self._models.setdefault(name, _Model())
        self._bases = bases or {}

    def nearly_full(self, model: str) -> None:
        """A prompt fills most of a model's window."""
        self._nearly_full[model if model in self._models else OTHER] += 1

    def observe(self, row: Request, trace: Trace) -> None:
        """A request is over."""
        model = self._models.get(row.model or row.model_asked)
        if model is None:
            model = self._models.get(self._bases.get(row.provider, ""), self._other)
        model.ends[row.door, row.status, row.cache] += 1
        model.prompt += row.prompt_tokens
        model.completion += row.completion_tokens
        if row.cached_tokens or row.reasoning_tokens:
            model.cached += row.cached_tokens
            model.reasoning += row.reasoning_tokens
        model.cost += row.cost_usd
        model.duration.observe(row.latency_ms)
        own = row.latency_ms
        if row.stream and row.ttft_ms is not None:
            model.first.observe(row.ttft_ms)
            own = row.ttft_ms
        if row.degraded:
            self._degraded[row.degraded] += 1
        for span in trace.spans:
            if attempts := span.attributes.get("attempts"):
                own -= self._called(attempts, span.end - span.start)
        self._overhead.observe(own)

    def families(self) -> Iterator[Family]:
        """All that was counted."""
        models = [*sorted(self._models.items()), (OTHER, self._other)]
        yield Family(
            "moorline_requests_total",
            "counter",
            "Requests that are over, by what they ended with.",
            [
                Sample(
                    count,
                    (("model", name), ("door", door), ("status", str(status)), ("cache", cache)),
                )
                for name, model in models
                for (door, status, cache), count in sorted(model.ends.items())
            ],
        )
        yield Family(
            "moorline_tokens_total",
            "counter",
            "Tokens; cached ones are of the prompt, reasoning of the completion.",
            [
                Sample(getattr(model, kind), (("model", name), ("kind", kind)))
                for name, model in models
                if model.ends
                for kind in ("prompt", "completion", "cached", "reasoning")
            ],
        )
        yield Family(
            "moorline_cost_usd_total",
            "counter",
            "What the models cost.",
            [Sample(model.cost, (("model", name),)) for name, model in models if model.ends],
        )
        yield Family(
            "moorline_request_duration_seconds",
            "histogram",
            "From a request's arrival to the end of its answer.",
            [s for name, model in models for s in model.duration.samples((("model", name),))],
        )
        yield Family(
            "moorline_time_to_first_token_seconds",
            "histogram",
            "From a streamed request's arrival to the first of its answer.",
            [s for name, model in models for s in model.first.samples((("model", name),))],
        )
        yield Family(
            "moorline_overhead_seconds",
            "histogram",
            "What of it was not spent waiting for a model; of streams until the first token.",
            list(self._overhead.samples()),
        )
        yield Family(
            "moorline_upstream_calls_total",
            "counter",
            "Calls of models, by how they began.",
            [
                Sample(count, (("model", name), ("outcome", outcome)))
                for (name, outcome), count in sorted(self._calls.items())
            ],
        )
        yield Family(
            "moorline_windows_nearly_full_total",
            "counter",
            "Prompts that fill a model's window, with the answer kept free, to `context.alert`.",
            [
                Sample(count, (("model", name),))
                for name, count in sorted(self._nearly_full.items())
            ],
        )
        yield Family(
            "moorline_degraded_total",
            "counter",
            "Answers by what stood in for the first choice of model.",
            [Sample(count, (("step", step),)) for step, count in sorted(self._degraded.items())],
        )

    def _called(self, attempts: Iterable[dict[str, Any]], ns: int) -> float:
        """Count a dispatch's calls; returns the milliseconds that were spent on them."""
        ms = 0.0
        for number, attempt in enumerate(attempts):
            error = attempt["error"]
            outcome = "ok" if error is None else "cancelled" if error == "cancelled" else "error"
            model = attempt["model"]
            if model not in self._models:
                model = self._bases.get(model.partition("/")[0], OTHER)
            self._calls[model, outcome] += 1
            # Between two calls the gateway waits for the model to recover.
            ms = ns / 1e6 if number else attempt["ms"]
        return ms
