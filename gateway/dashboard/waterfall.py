"""A trace's spans as bars on one time axis. Only arithmetic: the templates draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dashboard.charts import Tick, nice_scale
from gateway.dashboard.figures import mark
from gateway.tracing.trace import Span

INTERVALS = 6  # of the axis, at most
_TONES = {
    "cache": "cache",
    "embed": "search",
    "retrieve": "search",
    "screen": "guard",
    "judge": "guard",
    "dispatch": "model",
    "degrade": "model",
    "stream": "model",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One span. `left` and `width` are percent of the whole."""

    name: str
    tone: str
    depth: int  # how many spans it lies within
    left: float
    width: float
    start_ms: float
    ms: float
    error: str | None
    unfinished: bool  # it was begun and never ended
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All bars, and the axis above them."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    ms: float
    first_token: float | None  # percent


def waterfall(
    spans: Sequence[Span], latency_ms: float = 0.0, ttft_ms: float | None = None
) -> Waterfall:
    """The bars of a trace; the axis ends with the request, or with a span that outlived it."""
    whole = max([latency_ms, *(max(s.start, s.end) / 1e6 for s in spans)], default=0.0) or 1e-3
    depths = _depths(spans, whole * 1e6)
    rows = tuple(_row(s, depth, whole) for s, depth in zip(spans, depths, strict=True))
    marks = [value for value in nice_scale(whole, INTERVALS) if value <= whole * 0.96]
    ticks = tuple(Tick(round(value / whole * 100, 2), mark(value)) for value in marks[1:])
    first = None if ttft_ms is None else round(min(ttft_ms / whole, 1.0) * 100, 2)
    return Waterfall(rows, ticks, whole, first)


def _row(span: Span, depth: int, whole: float) -> Row:
    unfinished = span.end < span.start or (span.end == 0 and span.start > 0)
    start = min(max(span.start / 1e6, 0.0), whole)
    end = whole if unfinished else max(min(span.end / 1e6, whole), start)
    return Row(
        name=span.name,
        tone="error" if span.error else _TONES.get(span.name.partition(".")[0], "plain"),
        depth=depth,
        left=round(start / whole * 100, 3),
        width=round((end - start) / whole * 100, 3),
        start_ms=start,
        ms=end - start,
        error=span.error,
        unfinished=unfinished,
        attributes=span.attributes,
    )


def _depths(spans: Sequence[Span], whole: float) -> list[int]:
    """A span lies within those that began before it and had not ended when it did."""
    open_: list[float] = []  # ends of the spans that we are within
    depths = []
    for span in spans:
        end = whole if span.end < span.start else span.end
        while open_ and (open_[-1] <= span.start or open_[-1] < end):
            open_.pop()
        depths.append(len(open_))
        open_.append(end)
    return depths
