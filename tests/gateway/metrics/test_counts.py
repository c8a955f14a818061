"""What is counted of a request that is over, and that no client can make it grow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.ledger.types import Request
from gateway.metrics.counts import Counts
from gateway.metrics.exposition import page
from gateway.tracing.trace import Span, Trace

ROW = Request(
    trace_id="t",
    at=1.0,
    key="k",
    team="default",
    model_asked="auto",
    status=200,
    latency_ms=120.0,
    model="up/m",
    door="chat",
    cache="miss",
    prompt_tokens=100,
    completion_tokens=20,
    cached_tokens=40,
    cost_usd=0.25,
)


def dispatched(*attempts: dict[str, Any], ms: float = 0, span: str = "dispatch") -> Trace:
    trace = Trace()
    trace.spans.append(Span(span, 0, round(ms * 1e6), None, {"attempts": list(attempts)}))
    return trace


def called(model: str = "up/m", ms: float = 100.0, error: str | None = None) -> dict[str, Any]:
    return {"model": model, "ms": ms, "error": error}


def lines(*seen: tuple[Request, Trace]) -> list[str]:
    counts = Counts()
    counts.know(["up/m", "up/n"])
    for row, trace in seen:
        counts.observe(row, trace)
    return [line for line in page(counts.families()).splitlines() if line[0] != "#"]


def test_a_request_is_counted_by_model_door_status_and_cache() -> None:
    told = lines((ROW, Trace()), (ROW, Trace()), (replace(ROW, status=499), Trace()))
    labels = 'model="up/m",door="chat",status="{}",cache="miss"'
    assert f"moorline_requests_total{{{labels.format(200)}}} 2" in told
    assert f"moorline_requests_total{{{labels.format(499)}}} 1" in told


def test_tokens_and_cost_are_added_up() -> None:
    told = lines((ROW, Trace()), (ROW, Trace()))
    for kind, count in {"prompt": 200, "completion": 40, "cached": 80, "reasoning": 0}.items():
        assert f'moorline_tokens_total{{model="up/m",kind="{kind}"}} {count}' in told
    assert 'moorline_cost_usd_total{model="up/m"} 0.5' in told


@pytest.mark.parametrize("asked", ["up/m", "up/n"])
def test_a_request_without_an_answer_is_its_models_that_was_asked_for(asked: str) -> None:
    told = lines((replace(ROW, model="", model_asked=asked, status=503), Trace()))
    assert any(line.startswith(f'moorline_requests_total{{model="{asked}"') for line in told)


def test_names_that_clients_invent_are_one_label() -> None:
    rows = [replace(ROW, model="", model_asked=f"made-up-{n}", status=404) for n in range(50)]
    told = lines(*((row, Trace()) for row in rows))
    assert [line for line in told if line.startswith("moorline_requests_total")] == [
        'moorline_requests_total{model="other",door="chat",status="404",cache="miss"} 50'
    ]


def test_durations_are_seconds_in_cumulative_buckets() -> None:
    told = lines((ROW, Trace()), (replace(ROW, latency_ms=3000.0), Trace()))
    name = 'moorline_request_duration_seconds_{}{{model="up/m"'
    assert name.format("bucket") + ',le="0.1"} 0' in told
    assert name.format("bucket") + ',le="0.25"} 1' in told
    assert name.format("bucket") + ',le="+Inf"} 2' in told
    assert name.format("sum") + "} 3.12" in told
    assert name.format("count") + "} 2" in told


def test_only_streams_have_a_first_token() -> None:
    assert not any("first_token" in line for line in lines((ROW, Trace())))
    streamed = replace(ROW, stream=True, ttft_ms=40.0)
    told = lines((streamed, Trace()))
    assert 'moorline_time_to_first_token_seconds_sum{model="up/m"} 0.04' in told


@pytest.mark.parametrize(
    ("row", "trace", "own"),
    [
        (ROW, dispatched(called(ms=100)), 0.02),
        (replace(ROW, stream=True, ttft_ms=101.0), dispatched(called(ms=100)), 0.001),
        # Between two calls the gateway waits: that is no work of its own.
        (ROW, dispatched(called(ms=10, error="503"), called(ms=20), ms=110), 0.01),
        (replace(ROW, cache="exact"), Trace(), 0.12),
        (replace(ROW, door="embeddings"), dispatched(called(ms=100), span="embed"), 0.02),
    ],
    ids=["whole", "stream", "retried", "cached", "embedded"],
)
def test_overhead_is_what_was_not_spent_waiting_for_a_model(
    row: Request, trace: Trace, own: float
) -> None:
    told = next(
        line for line in lines((row, trace)) if line.startswith("moorline_overhead_seconds_sum")
    )
    assert float(told.split()[1]) == pytest.approx(own)


def test_calls_are_counted_by_model_and_outcome() -> None:
    trace = dispatched(
        called("up/m", error="up answered 503"), called("up/n", error="cancelled"), called("up/n")
    )
    told = lines((ROW, trace))
    assert 'moorline_upstream_calls_total{model="up/m",outcome="error"} 1' in told
    assert 'moorline_upstream_calls_total{model="up/n",outcome="cancelled"} 1' in told
    assert 'moorline_upstream_calls_total{model="up/n",outcome="ok"} 1' in told


def test_what_stood_in_for_a_model_is_counted() -> None:
    assert 'moorline_degraded_total{step="canned"} 1' in lines(
        (replace(ROW, degraded="canned"), Trace())
    )
