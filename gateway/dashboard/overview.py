"""The first page: what happened in a period, as tiles, charts and tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gateway.dashboard import charts
from gateway.dashboard.charts import Axis, Chart, Series
from gateway.dashboard.figures import compact, duration, exact, mark, money, percent
from gateway.ledger.types import Bucket, Overview, Totals

NONE = "none to count"


@dataclass(frozen=True, slots=True)
class Period:
    """How far back to look, and in what steps."""

    name: str  # in the address
    label: str
    seconds: int
    step: int

    def since(self, now: float) -> float:
        """The beginning of the step that lies this far back, so that no step is half."""
        return math.floor((now - self.seconds) / self.step) * self.step


PERIODS = {
    period.name: period
    for period in (
        Period("1h", "1 hour", 3600, 60),
        Period("24h", "24 hours", 86_400, 1800),
        Period("7d", "7 days", 7 * 86_400, 3 * 3600),
        Period("30d", "30 days", 30 * 86_400, 12 * 3600),
    )
}
USUAL = PERIODS["24h"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. `tone` colours it where it asks for attention."""

    label: str
    value: str
    detail: str
    tone: str = ""


def tiles(totals: Totals) -> tuple[Tile, ...]:
    t = totals
    return (
        Tile("Requests", compact(t.requests), f"{exact(t.requests - t.errors)} without error"),
        Tile(
            "Error rate",
            percent(t.error_rate),
            _of(t.errors, t.requests) + (f", {exact(t.degraded)} degraded" if t.degraded else ""),
            "error" if t.error_rate and t.error_rate >= 0.01 else "",
        ),
        Tile(
            "Tokens",
            compact(t.tokens),
            f"{compact(t.prompt_tokens)} in, {compact(t.completion_tokens)} out",
        ),
        Tile("Cost", money(t.cost_usd), _cost_each(t)),
        Tile("Latency p50", duration(t.p50_ms), "half were faster" if t.requests else NONE),
        Tile("Latency p95", duration(t.p95_ms), "95% were faster" if t.requests else NONE),
        Tile("Cache hits", percent(t.cache_hit_rate), _of(t.cache_hits, t.cache_lookups)),
        Tile("Grounded", percent(t.grounded_rate), _of(t.grounded, t.judged)),
    )


def overview_charts(seen: Overview) -> tuple[Chart, ...]:
    axis = Axis(tuple(bucket.at for bucket in seen.buckets), seen.bucket)

    def series(name: str, tone: str, value: Callable[[Totals], float | None]) -> Series:
        return Series(name, tone, tuple(value(bucket.totals) for bucket in seen.buckets))

    return (
        charts.stacked(
            "Requests",
            axis,
            [series("OK", "ok", _good), series("Error", "error", lambda t: t.errors)],
            compact,
        ),
        charts.stacked("Cost", axis, [series("Cost", "cost", lambda t: t.cost_usd)], money),
        charts.lines(
            "Latency",
            axis,
            [
                series("p50", "first", lambda t: t.p50_ms),
                series("p95", "second", lambda t: t.p95_ms),
            ],
            duration,
            mark,
        ),
        charts.lines(
            "Cache and grounding",
            axis,
            [
                series("Cache hits", "first", lambda t: t.cache_hit_rate),
                series("Grounded", "second", lambda t: t.grounded_rate),
            ],
            percent,
            top=1.0,
        ),
    )


def busy(seen: Overview) -> tuple[Bucket, ...]:
    """The steps in which something happened, the newest first."""
    return tuple(bucket for bucket in reversed(seen.buckets) if bucket.totals.requests)


def _good(totals: Totals) -> int:
    return totals.requests - totals.errors


def _cost_each(totals: Totals) -> str:
    return f"{money(totals.cost_usd / totals.requests)} a request" if totals.requests else NONE


def _of(part: int, whole: int) -> str:
    return f"{exact(part)} of {exact(whole)}" if whole else NONE
