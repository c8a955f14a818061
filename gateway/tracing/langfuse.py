"""Traces to Langfuse, through its own client and in its own words.

The client is built here and only here, with keys: without them the SDK logs an error for every
span. It gets our provider and our exporter, so that nothing of it is global to the process and
what does not arrive is counted.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from langfuse import Langfuse
from langfuse._client.resource_manager import LangfuseResourceManager
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE

from gateway.ledger.types import Request
from gateway.tracing.config import LangfuseConfig
from gateway.tracing.opentelemetry import Counted, Recorder
from gateway.tracing.spans import GENERATION, REQUEST, Node, Scalar, prompt_of, text, tree
from gateway.tracing.trace import Trace

TIMEOUT = 5.0  # seconds of one export, with its retries
TRACES = "/api/public/otel/v1/traces"

# Langfuse's types of observations; every other stage is a plain span.
_TYPES = {
    REQUEST: "chain",
    GENERATION: "generation",
    "screen": "guardrail",
    "screen.sources": "guardrail",
    "embed": "embedding",
    "retrieve": "retriever",
    "judge": "evaluator",
}

# Langfuse has these as an observation's input and output.
_SAID_TWICE = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.retrieval.query.text",
        "moorline.answer",
        "moorline.passages",
        "moorline.question",
    }
)


class LangfuseSink:
    """Exports in batches, from a thread of the SDK's."""

    def __init__(self, config: LangfuseConfig, timeout: float = TIMEOUT) -> None:
        exporter = Counted(_exporter(config, timeout))
        self._public_key = config.public_key
        self._recorder = Recorder(exporter, int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE, "2048")))
        self._client = Langfuse(
            public_key=config.public_key,
            secret_key=config.secret_key.get_secret_value(),
            base_url=config.base_url.rstrip("/"),
            tracer_provider=self._recorder.provider,
            span_exporter=exporter,
            should_export_span=lambda span: True,  # by default only those with gen_ai attributes
        )
        self._tracer = self._recorder.provider.get_tracer("moorline")

    @property
    def name(self) -> str:
        return "langfuse"

    @property
    def dropped(self) -> int:
        return self._recorder.dropped

    def emit(self, request: Request, trace: Trace) -> None:
        root = tree(request, trace)
        shared = _trace_attributes(request, trace)
        self._recorder.record(
            trace.id,
            root,
            self._tracer,
            lambda node: {**_own(node), **shared, **_observation(node, request, trace)},
        )

    def close(self) -> None:
        self._client.shutdown()
        self._recorder.close()
        # The SDK keeps one client for each public key for ever, also one that was shut down: a
        # sink that is opened again with the same key would export nothing.
        LangfuseResourceManager._instances.pop(self._public_key, None)


def _own(node: Node) -> dict[str, Scalar]:
    return {name: value for name, value in node.attributes.items() if name not in _SAID_TWICE}


def _exporter(config: LangfuseConfig, timeout: float) -> OTLPSpanExporter:
    pair = f"{config.public_key}:{config.secret_key.get_secret_value()}"
    return OTLPSpanExporter(
        endpoint=config.base_url.rstrip("/") + TRACES,
        headers={
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "x-langfuse-ingestion-version": "4",
        },
        timeout=timeout,
        compression=Compression.Gzip,
    )


def _trace_attributes(request: Request, trace: Trace) -> dict[str, Scalar]:
    """What Langfuse knows of the whole trace and reads from every span, to filter by."""
    shared: dict[str, Any] = {
        "langfuse.trace.name": "answer",
        "langfuse.trace.tags": [each for each in (request.team, request.cache) if each],
        "user.id": request.key,
    }
    if session := trace.attributes.get("session"):
        shared["session.id"] = text(session)
    return shared


def _metadata(request: Request) -> dict[str, Scalar]:
    metadata = {
        "team": request.team,
        "collection": request.collection,
        "route": request.route,
        "cache": request.cache,
        "grounded": request.grounded,
        "faithfulness": request.faithfulness,
    }
    return {
        f"langfuse.trace.metadata.{name}": _json(value)
        for name, value in metadata.items()
        if value is not None and value != ""
    }


def _observation(node: Node, request: Request, trace: Trace) -> dict[str, Scalar]:
    """One span as an observation."""
    shown: dict[str, Any] = {
        "langfuse.observation.type": _TYPES.get(node.stage, "span"),
        "langfuse.observation.level": "ERROR" if node.error else "DEFAULT",
        "langfuse.observation.status_message": node.error,
    }
    if node.stage == REQUEST:
        shown["langfuse.observation.input"] = trace.attributes.get("question")
        shown["langfuse.observation.output"] = trace.attributes.get("answer")
        shown |= _metadata(request)
    elif node.stage == GENERATION:
        shown |= _generation(node, request, trace)
    elif node.stage == "retrieve":
        shown["langfuse.observation.input"] = trace.attributes.get("question")
        shown["langfuse.observation.output"] = node.attributes.get("moorline.passages")
    return {key: value for key, value in shown.items() if value is not None}


def _generation(node: Node, request: Request, trace: Trace) -> dict[str, Any]:
    first = node.attributes.get("gen_ai.response.time_to_first_chunk")
    prompt = prompt_of(trace)
    return {
        "langfuse.observation.model.name": node.attributes["gen_ai.request.model"],
        "langfuse.observation.input": _json(list(prompt)) if prompt else None,
        "langfuse.observation.output": trace.attributes.get("answer"),
        "langfuse.observation.usage_details": _json(_usage(request)),
        "langfuse.observation.cost_details": _json({"total": request.cost_usd}),
        "langfuse.observation.completion_start_time": (
            _json(_iso(node.start + round(first * 1e9))) if isinstance(first, float) else None
        ),
    }


def _usage(request: Request) -> Mapping[str, int]:
    """Langfuse adds its parts up, so what is a part of another is taken out of it."""
    usage = {
        "input": request.prompt_tokens - request.cached_tokens,
        "output": request.completion_tokens - request.reasoning_tokens,
        "total": request.tokens,
    }
    if request.cached_tokens:
        usage["input_cached_tokens"] = request.cached_tokens
    if request.reasoning_tokens:
        usage["output_reasoning_tokens"] = request.reasoning_tokens
    return usage


def _iso(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat().replace("+00:00", "Z")


def _json(value: Any) -> str:
    """Langfuse decodes these values, texts too."""
    return orjson.dumps(value, default=str).decode()
