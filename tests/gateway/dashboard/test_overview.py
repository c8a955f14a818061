"""The first page's figures."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dashboard.overview import PERIODS, busy, overview_charts, tiles
from gateway.ledger.types import Totals
from tests.gateway.dashboard.world import overview

SOME = Totals(
    requests=200,
    errors=4,
    prompt_tokens=50_000,
    completion_tokens=9_000,
    cost_usd=1.5,
    cache_hits=30,
    cache_lookups=120,
    grounded=90,
    judged=100,
    p50_ms=480.0,
    p95_ms=2200.0,
)


def test_tiles_say_what_happened() -> None:
    said = {tile.label: (tile.value, tile.detail) for tile in tiles(SOME)}
    assert said == {
        "Requests": ("200", "196 without error"),
        "Error rate": ("2%", "4 of 200"),
        "Tokens": ("59.0k", "50.0k in, 9,000 out"),
        "Cost": ("$1.50", "$0.0075 a request"),
        "Latency p50": ("480 ms", "half were faster"),
        "Latency p95": ("2.20 s", "95% were faster"),
        "Cache hits": ("25%", "30 of 120"),
        "Grounded": ("90%", "90 of 100"),
    }


def test_tiles_of_nothing_claim_nothing() -> None:
    said = {tile.label: tile.value for tile in tiles(Totals())}
    assert said["Error rate"] == said["Latency p95"] == said["Grounded"] == "–"


@pytest.mark.parametrize(("errors", "tone"), [(1, ""), (2, "error")])
def test_the_error_rate_asks_for_attention_from_one_in_a_hundred(errors: int, tone: str) -> None:
    assert tiles(Totals(requests=200, errors=errors))[1].tone == tone


@pytest.mark.parametrize("name", PERIODS)
def test_a_period_begins_with_a_whole_step_and_covers_all_of_itself(name: str) -> None:
    now = 1_763_812_345.6
    period = PERIODS[name]
    since = period.since(now)
    assert since % period.step == 0
    assert period.seconds <= now - since < period.seconds + period.step


def test_each_chart_draws_its_own_figures() -> None:
    requests, cost, latency, rates = overview_charts(overview(0, 1800, [SOME, Totals()]))

    def values(chart: Any) -> dict[str, Any]:
        return {series.name: series.values for series in chart.series}

    assert values(requests) == {"OK": (196, 0), "Error": (4, 0)}
    assert values(cost) == {"Cost": (1.5, 0.0)}
    assert values(latency) == {"p50": (480.0, None), "p95": (2200.0, None)}
    assert values(rates) == {"Cache hits": (0.25, None), "Grounded": (0.9, None)}


def test_the_table_of_figures_holds_the_busy_steps_newest_first() -> None:
    seen = overview(0, 60, [SOME, Totals(), Totals(requests=1)])
    assert [bucket.at for bucket in busy(seen)] == [120, 0]
