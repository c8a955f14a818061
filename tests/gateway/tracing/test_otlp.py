"""What an OpenTelemetry collector receives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Exported
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from pydantic import SecretStr

from gateway.ledger.types import Request
from gateway.tracing.config import OtlpConfig, TracingConfig
from gateway.tracing.otlp import OtlpSink
from gateway.tracing.parent import Parent
from gateway.tracing.sinks import Sampled, open_sinks
from gateway.tracing.trace import Trace
from tests.gateway.tracing.collector import Collector, collecting, values
from tests.gateway.tracing.samples import MS, PROMPT, STARTED, an_answer
from tests.servers import free_port

START = round(STARTED * 1e9)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def sent(collector: Collector, *answers: tuple[Request, Trace]) -> None:
    config = OtlpConfig(
        endpoint=f"{collector.url}/v1/traces", headers={"x-team": SecretStr("ours")}
    )
    sink = OtlpSink(config)
    for request, trace in answers:
        sink.emit(request, trace)
    sink.close()
    assert sink.dropped == 0


def test_it_goes_where_the_configuration_says_with_its_headers(collector: Collector) -> None:
    sent(collector, an_answer())
    ((path, headers),) = collector.requests
    assert path == "/v1/traces"
    assert headers["x-team"] == "ours"
    assert collector.resources[0]["service.name"] == "moorline"


def test_the_trace_has_the_requests_own_id(collector: Collector) -> None:
    sent(collector, an_answer())
    assert {span.trace_id.hex() for span in collector.spans} == {"0af7651916cd43dd8448eb211c80319c"}


def test_a_request_of_another_services_trace_hangs_below_its_span(collector: Collector) -> None:
    request, trace = an_answer()
    trace.parent = Parent(0xABC, 0xDEF)
    sent(collector, (request, trace))
    assert {int(span.trace_id.hex(), 16) for span in collector.spans} == {0xABC}
    root = next(span for span in collector.spans if span.name == "moorline.answer")
    assert int(root.parent_span_id.hex(), 16) == 0xDEF
    assert values(root.attributes)["moorline.trace_id"] == trace.id


def test_an_id_that_is_not_w3cs_still_makes_one_trace(collector: Collector) -> None:
    sent(collector, an_answer("my-own-id"))
    assert len({span.trace_id for span in collector.spans}) == 1


def test_stages_hang_below_the_request_and_the_call_to_the_model(collector: Collector) -> None:
    sent(collector, an_answer())
    names = {span.span_id: span.name for span in collector.spans}
    assert {span.name: names.get(span.parent_span_id) for span in collector.spans} == {
        "moorline.answer": None,
        "authenticate": "moorline.answer",
        "screen": "moorline.answer",
        "embeddings minilm": "moorline.answer",
        "retrieval handbook": "moorline.answer",
        "pack": "moorline.answer",
        "chat gpt": "moorline.answer",
        "dispatch": "chat gpt",
        "stream": "chat gpt",
        "judge": "moorline.answer",
    }


def test_times_are_exact(collector: Collector) -> None:
    sent(collector, an_answer())

    def times(name: str) -> tuple[int, int]:
        span = collector.named(name)
        return span.start_time_unix_nano - START, span.end_time_unix_nano - START

    assert times("moorline.answer") == (0, 120 * MS)
    assert times("retrieval handbook") == (4 * MS, 9 * MS)
    assert times("dispatch") == (10 * MS, 60 * MS)
    assert times("chat gpt") == (10 * MS, 110 * MS)


def test_the_call_follows_the_conventions(collector: Collector) -> None:
    sent(collector, an_answer())
    span = collector.named("chat gpt")
    assert span.kind == Exported.SPAN_KIND_CLIENT
    attributes = values(span.attributes)
    assert json.loads(attributes.pop("gen_ai.input.messages")) == [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in PROMPT
    ]
    assert json.loads(attributes.pop("gen_ai.output.messages")) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Within 30 days [1]."}]}
    ]
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gpt",
        "gen_ai.response.time_to_first_chunk": 0.05,
        "gen_ai.usage.input_tokens": 40,
        "gen_ai.usage.output_tokens": 8,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "moorline.cost_usd": 0.0012,
    }


def test_usage_is_on_one_span_only(collector: Collector) -> None:
    sent(collector, an_answer())
    with_usage = [
        span.name
        for span in collector.spans
        if any(name.startswith("gen_ai.usage") for name in values(span.attributes))
    ]
    assert with_usage == ["chat gpt"]


def test_retrieval_follows_the_conventions(collector: Collector) -> None:
    sent(collector, an_answer())
    attributes = values(collector.named("retrieval handbook").attributes)
    assert attributes["gen_ai.operation.name"] == "retrieval"
    assert attributes["gen_ai.data_source.id"] == "handbook"
    assert attributes["gen_ai.retrieval.query.text"] == "How long may I return it?"
    assert json.loads(attributes["gen_ai.retrieval.documents"]) == [
        {"id": "returns.md", "score": 0.9}
    ]


def test_the_request_says_who_asked_and_how_it_went(collector: Collector) -> None:
    sent(collector, an_answer())
    span = collector.named("moorline.answer")
    assert span.kind == Exported.SPAN_KIND_SERVER
    attributes = values(span.attributes)
    assert attributes["http.response.status_code"] == 200
    assert attributes["moorline.key"] == "k_1"
    assert attributes["moorline.grounded"] is True
    assert "error.type" not in attributes


def test_a_stage_that_failed_is_an_error(collector: Collector) -> None:
    request, trace = an_answer()
    trace.spans[3].error = "SourcesUnavailable: the index is away"
    failed = replace(request, status=503, error_code="retrieval_unavailable")
    sent(collector, (failed, trace))
    span = collector.named("retrieval handbook")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.status.message == "SourcesUnavailable: the index is away"
    root = collector.named("moorline.answer")
    assert root.status.code == Status.STATUS_CODE_ERROR
    assert values(root.attributes)["error.type"] == "retrieval_unavailable"


def test_an_answer_from_the_cache_calls_no_model(collector: Collector) -> None:
    request, trace = an_answer()
    trace.spans = trace.spans[:1]
    sent(collector, (replace(request, cache="exact"), trace))
    assert [span.name for span in collector.spans] == ["authenticate", "moorline.answer"]


def test_a_collector_that_is_not_there_costs_spans_and_nothing_else() -> None:
    sink = OtlpSink(OtlpConfig(endpoint=f"http://127.0.0.1:{free_port()}/v1/traces"), timeout=0.1)
    for _ in range(3):
        sink.emit(*an_answer())
    sink.close()
    assert sink.dropped == 3 * 10


def test_what_a_collector_refuses_is_counted(collector: Collector) -> None:
    collector.status = 400
    sink = OtlpSink(OtlpConfig(endpoint=f"{collector.url}/v1/traces"))
    sink.emit(*an_answer())
    sink.close()
    assert sink.dropped == 10


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 0), (0.5, 1), (1.0, 2)])
def test_a_share_of_the_traces_is_sent(collector: Collector, rate: float, kept: int) -> None:
    sink = Sampled(OtlpSink(OtlpConfig(endpoint=f"{collector.url}/v1/traces")), rate)
    sink.emit(*an_answer("f" * 16 + "1" * 16))
    sink.emit(*an_answer("1" * 16 + "f" * 16))
    sink.close()
    assert len({span.trace_id for span in collector.spans}) == kept


def test_sinks_are_opened_as_configured(collector: Collector) -> None:
    assert open_sinks(TracingConfig()) == []
    otlp = OtlpConfig(endpoint=f"{collector.url}/v1/traces")
    (whole,) = open_sinks(TracingConfig(otlp=otlp))
    (sampled,) = open_sinks(TracingConfig(otlp=otlp, sample_rate=0.1))
    assert (type(whole), type(sampled)) == (OtlpSink, Sampled)
    whole.close()
    sampled.close()


def test_a_stage_that_was_never_ended_ends_with_the_request(collector: Collector) -> None:
    request, trace = an_answer()
    trace.spans[6].end = 0
    sent(collector, (request, trace))
    assert collector.named("stream").end_time_unix_nano - START == 120 * MS
