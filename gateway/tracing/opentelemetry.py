"""OpenTelemetry's side of the sinks: a provider of our own, and a tree of spans recorded in it.

The provider is nobody's global: other instrumentation in the process neither feeds it nor is fed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from gateway.tracing.parent import Parent
from gateway.tracing.spans import Node, Scalar, numeric

Describe = Callable[[Node], Mapping[str, Scalar]]

_KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}


class Ids(RandomIdGenerator):
    """Gives the trace that is being recorded its own id. Used by one thread."""

    trace_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id


class Counted(SpanExporter):
    """An exporter that knows how many spans it was given and how many did not arrive."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.taken = 0
        self.failed = 0
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class Recorder:
    """Records trees of spans with the ids and times that they have."""

    def __init__(self, exporter: Counted, queue: int) -> None:
        """`queue` is how many spans the processor that will be added holds at most."""
        self._ids = Ids()
        self.provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: "moorline"}),
            id_generator=self._ids,
            sampler=ALWAYS_ON,
            shutdown_on_exit=False,
        )
        self._exporter = exporter
        self._queue = queue
        self._recorded = 0
        self._overflowed = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Spans that did not arrive: exports that failed, and what the queue had no room for."""
        waiting = self._recorded - self._exporter.taken
        overflowed = waiting if self._closed else self._overflowed
        return self._exporter.failed + overflowed

    def record(
        self,
        trace_id: str,
        root: Node,
        tracer: Tracer,
        describe: Describe,
        parent: Parent | None = None,
    ) -> None:
        """Hand the tree to the processor, which exports it from a thread of its own. With a parent
        it belongs to that one's trace."""
        self._ids.trace_id = numeric(trace_id)
        self._record(root, _below(parent) if parent else Context(), tracer, describe)
        # A full queue forgets its oldest spans without a word.
        waiting = self._recorded - self._exporter.taken
        self._overflowed = max(self._overflowed, waiting - self._queue)

    def close(self) -> None:
        """Export what is left. Blocks for as long as the far end takes."""
        self.provider.shutdown()
        self._closed = True

    def _record(self, node: Node, parent: Context, tracer: Tracer, describe: Describe) -> None:
        span: Span = tracer.start_span(
            node.name,
            context=parent,
            kind=_KINDS[node.kind],
            attributes=describe(node),
            start_time=node.start,
        )
        if node.error:
            span.set_status(Status(StatusCode.ERROR, node.error))
        below = set_span_in_context(span, parent)
        for child in node.children:
            self._record(child, below, tracer, describe)
        span.end(end_time=node.end)
        self._recorded += 1


def _below(parent: Parent) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED)
    remote = SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote), Context())
