"""What Langfuse receives."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator

import pytest
from opentelemetry import trace as global_tracing
from pydantic import SecretStr

from gateway.ledger.types import Request
from gateway.tracing.config import LangfuseConfig
from gateway.tracing.langfuse import LangfuseSink
from gateway.tracing.trace import Trace
from tests.gateway.tracing.collector import Collector, collecting, values
from tests.gateway.tracing.samples import PASSAGES, PROMPT, an_answer
from tests.servers import free_port


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def config_of(url: str, public_key: str | None = None) -> LangfuseConfig:
    return LangfuseConfig(
        public_key=public_key or f"pk-lf-{uuid.uuid4()}",
        secret_key=SecretStr("sk-lf-secret"),
        base_url=url,
    )


def sent(config: LangfuseConfig, *answers: tuple[Request, Trace]) -> None:
    sink = LangfuseSink(config)
    for request, trace in answers:
        sink.emit(request, trace)
    sink.close()
    assert sink.dropped == 0


def test_it_authenticates_with_both_keys(collector: Collector) -> None:
    sent(config_of(collector.url, "pk-lf-auth"), an_answer())
    ((path, headers),) = collector.requests
    assert path == "/api/public/otel/v1/traces"
    scheme, _, pair = headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"pk-lf-auth:sk-lf-secret")
    assert headers["x-langfuse-ingestion-version"] == "4"


def test_every_stage_is_an_observation_of_its_type(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    assert {
        span.name: values(span.attributes)["langfuse.observation.type"] for span in collector.spans
    } == {
        "moorline.answer": "chain",
        "authenticate": "span",
        "screen": "guardrail",
        "embeddings minilm": "embedding",
        "retrieval handbook": "retriever",
        "pack": "span",
        "chat gpt": "generation",
        "dispatch": "span",
        "stream": "span",
        "judge": "evaluator",
    }


def test_the_generation_has_model_usage_and_cost(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    attributes = values(collector.named("chat gpt").attributes)
    assert attributes["langfuse.observation.model.name"] == "gpt"
    assert json.loads(attributes["langfuse.observation.usage_details"]) == {
        "input": 24,
        "input_cached_tokens": 16,
        "output": 5,
        "output_reasoning_tokens": 3,
        "total": 48,
    }
    assert json.loads(attributes["langfuse.observation.cost_details"]) == {"total": 0.0012}
    assert json.loads(attributes["langfuse.observation.input"]) == PROMPT
    assert attributes["langfuse.observation.output"] == "Within 30 days [1]."
    assert json.loads(attributes["langfuse.observation.completion_start_time"]) == (
        "2026-11-18T11:06:40.060000Z"
    )


def test_cost_is_on_one_observation_only(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    costly = [s for s in collector.spans if "cost_details" in repr(values(s.attributes))]
    assert [span.name for span in costly] == ["chat gpt"]


def test_every_observation_knows_its_trace(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    for span in collector.spans:
        attributes = values(span.attributes)
        assert attributes["user.id"] == "k_1"
        assert attributes["session.id"] == "s-1"
        assert attributes["langfuse.trace.name"] == "answer"
        assert attributes["langfuse.trace.tags"] == ["support", "miss"]
    root = values(collector.named("moorline.answer").attributes)
    assert json.loads(root["langfuse.trace.metadata.route"]) == "complex"
    assert json.loads(root["langfuse.trace.metadata.grounded"]) is True


def test_nothing_is_said_twice(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    whole = repr([values(span.attributes) for span in collector.spans])
    assert whole.count("Answer from the sources.") == 1
    assert whole.count("returns.md") == 2  # the passage, and its place in the ranking


def test_question_passages_and_answer_are_input_and_output(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    root = values(collector.named("moorline.answer").attributes)
    assert root["langfuse.observation.input"] == "How long may I return it?"
    assert root["langfuse.observation.output"] == "Within 30 days [1]."
    retriever = values(collector.named("retrieval handbook").attributes)
    assert json.loads(retriever["langfuse.observation.output"]) == PASSAGES


def test_a_failed_stage_is_an_error(collector: Collector) -> None:
    request, trace = an_answer()
    trace.spans[3].error = "SourcesUnavailable: the index is away"
    sent(config_of(collector.url), (request, trace))
    attributes = values(collector.named("retrieval handbook").attributes)
    assert attributes["langfuse.observation.level"] == "ERROR"
    assert attributes["langfuse.observation.status_message"].endswith("the index is away")


def test_a_sink_that_is_opened_again_with_the_same_keys_works(collector: Collector) -> None:
    config = config_of(collector.url)
    sent(config, an_answer("1" * 32))
    sent(config, an_answer("2" * 32))
    assert len({span.trace_id for span in collector.spans}) == 2


def test_nothing_of_it_is_global(collector: Collector) -> None:
    sent(config_of(collector.url), an_answer())
    with global_tracing.get_tracer("elsewhere").start_as_current_span("not ours") as span:
        assert not span.is_recording()


def test_a_langfuse_that_is_not_there_costs_spans_and_nothing_else() -> None:
    sink = LangfuseSink(config_of(f"http://127.0.0.1:{free_port()}"), timeout=0.1)
    sink.emit(*an_answer())
    sink.close()
    assert sink.dropped == 10
