"""Traces to any OpenTelemetry collector, by OTLP over HTTP."""

from __future__ import annotations

from dataclasses import replace

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from gateway.ledger.types import Request
from gateway.tracing.config import OtlpConfig
from gateway.tracing.opentelemetry import Counted, Recorder
from gateway.tracing.spans import tree
from gateway.tracing.trace import Trace

QUEUE = 16_384  # spans
TIMEOUT = 10.0  # seconds of one export, with its retries


class OtlpSink:
    """Exports in batches, from a thread of the SDK's."""

    def __init__(self, config: OtlpConfig, timeout: float = TIMEOUT) -> None:
        exporter = Counted(
            OTLPSpanExporter(
                endpoint=config.endpoint,
                headers={name: each.get_secret_value() for name, each in config.headers.items()},
                timeout=timeout,
                compression=Compression.Gzip,
            )
        )
        self._recorder = Recorder(exporter, QUEUE)
        processor = BatchSpanProcessor(exporter, max_queue_size=QUEUE)
        self._recorder.provider.add_span_processor(processor)
        self._tracer = self._recorder.provider.get_tracer("moorline")

    @property
    def name(self) -> str:
        return "otlp"

    @property
    def dropped(self) -> int:
        return self._recorder.dropped

    def emit(self, request: Request, trace: Trace) -> None:
        root = tree(request, trace)
        if trace.parent:  # by this id the ledger and the client know it
            root = replace(root, attributes={**root.attributes, "moorline.trace_id": trace.id})
        self._recorder.record(
            trace.id, root, self._tracer, lambda node: node.attributes, trace.parent
        )

    def close(self) -> None:
        self._recorder.close()
