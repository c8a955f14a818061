"""Where finished traces go besides the ledger. A sink works off the request's path and thread."""

from __future__ import annotations

from typing import Protocol

from gateway.ledger.types import Request
from gateway.tracing.config import TracingConfig
from gateway.tracing.spans import numeric
from gateway.tracing.trace import Trace

HALF = 1 << 64  # the lower half of a trace id is what is random in it


class Sink(Protocol):
    """Takes finished requests, one at a time, from one thread."""

    @property
    def name(self) -> str:
        """What metrics call it."""
        ...

    @property
    def dropped(self) -> int:
        """How many spans were given up because the far end did not take them."""
        ...

    def emit(self, request: Request, trace: Trace) -> None:
        """Must not wait for the network."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class Sampled:
    """A sink that gets a share of the traces: those whose id is small enough.

    The id decides, as in OpenTelemetry's own sampler, so that every service along a distributed
    trace keeps the same ones.
    """

    def __init__(self, sink: Sink, rate: float) -> None:
        self._sink = sink
        self._bound = round(rate * HALF)

    @property
    def name(self) -> str:
        return self._sink.name

    @property
    def dropped(self) -> int:
        return self._sink.dropped

    def emit(self, request: Request, trace: Trace) -> None:
        number = trace.parent.trace if trace.parent else numeric(trace.id)
        if number % HALF < self._bound:
            self._sink.emit(request, trace)

    def close(self) -> None:
        self._sink.close()


def open_sinks(config: TracingConfig) -> list[Sink]:
    """The configured ones. Blocks: the exporters are heavy to import."""
    sinks: list[Sink] = []
    if config.otlp is not None:
        from gateway.tracing.otlp import OtlpSink

        sinks.append(OtlpSink(config.otlp))
    if config.langfuse is not None:
        from gateway.tracing.langfuse import LangfuseSink

        sinks.append(LangfuseSink(config.langfuse))
    if config.sample_rate < 1:
        return [Sampled(sink, config.sample_rate) for sink in sinks]
    return sinks
