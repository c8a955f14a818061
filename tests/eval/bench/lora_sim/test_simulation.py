"""Placement in simulated time: on a toy, what the figures are reported for on traces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from eval.bench.cli import group
from eval.bench.lora_sim.report import Report, Scenario, compared, cut, shared, table
from eval.bench.lora_sim.rules import COMPARED, OTHERS, Rule
from eval.bench.lora_sim.simulation import Outage, World, simulated
from eval.bench.lora_sim.workloads import (
    NoTraces,
    Request,
    azure_lengths,
    mooncake,
    power_law,
    servegen,
)

LENGTHS = ((800, 60), (200, 20), (2000, 200))
SKEWED = power_law(LENGTHS, 48, 0.3, rate=12, seconds=150)
SMALL = World(slots=4, cpu_slots=12)
TOY = Scenario("skewed", SKEWED, SMALL)
ROOMY = Scenario("skewed", SKEWED, replace(SMALL, cpu_slots=24))


def test_requests_come_at_their_rate_and_are_skewed() -> None:
    requests = power_law(LENGTHS, 100, 0.3, rate=20, seconds=500, cv=2)(Random(1))
    assert 8_500 < len(requests) < 11_500
    first = sum(request.adapter == "adapter-0@1" for request in requests) / len(requests)
    assert 0.2 < first < 0.3  # (1/100)^0.3 is 0.25


@pytest.mark.parametrize("rule", [None, *COMPARED.values(), *OTHERS.values()])
def test_everybody_is_answered_once(rule: Rule | None) -> None:
    requests = power_law(LENGTHS, 40, 0.3, rate=8, seconds=30)(Random(1))
    outcome = simulated(requests, World(cpu_slots=16), rule)
    assert sorted(each.request.at for each in outcome.answered) == [each.at for each in requests]
    assert all(each.waited > 0 for each in outcome.answered)


def test_a_run_is_the_same_each_time() -> None:
    world = replace(SMALL, gateways=3, told_within=(0.01, 0.02))
    requests = SKEWED(Random(1))[:300]
    assert simulated(requests, world, seed=3) == simulated(requests, world, seed=3)


def test_ours_answers_in_half_of_the_time_of_the_best_of_the_four_on_a_skewed_trace() -> None:
    row = compared(TOY, seeds=1)
    assert row.figures["ours"].p95 <= 0.5 * row.best_of_four
    assert row.figures["no loads"].p95 < row.figures["ours"].p95


def test_gateways_that_tell_each_other_are_about_as_good_as_one() -> None:
    one, three, private = shared(TOY, seeds=2).figures.values()
    assert three.loads < 1.5 * one.loads < 0.5 * private.loads
    assert three.p95 < 0.25 * private.p95


def test_service_goes_on_while_gateways_cannot_talk() -> None:
    stretch = cut(ROOMY, 150, seeds=2)
    assert stretch.during < 1.5 * stretch.before
    assert stretch.after < 1.5 * stretch.before


def test_what_is_under_way_is_counted_right_after_an_outage() -> None:
    """Nobody is answered twice or never, and slots are not lost."""
    requests = SKEWED(Random(1))[:600]
    world = replace(SMALL, gateways=3, told_within=(0.01, 0.02), outage=Outage(20, 30))
    outcome = simulated(requests, world)
    assert len(outcome.answered) == len(requests)
    assert max(each.waited for each in outcome.answered) < 20


def test_critical_adapters_are_answered_sooner_where_they_are_pinned() -> None:
    requests = SKEWED(Random(2))
    critical = "adapter-20@1"

    def waited(world: World) -> float:
        outcome = simulated(requests, world)
        each = [a.waited for a in outcome.answered if a.request.adapter == critical]
        return sum(each) / len(each)

    assert waited(replace(SMALL, priorities={critical: "critical"})) < waited(SMALL)


def test_the_report_is_told(tmp_path: Path) -> None:
    text = table(Report(60, 1, policies=(compared(TOY, 1),)))
    assert "ours" in text
    assert "of the best of the four" in text


def test_a_folder_without_traces_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["lora", "--traces", str(tmp_path)])
    assert result.exit_code == 1
    assert "AzureLLMInferenceTrace_conv.csv is missing" in result.output


def test_real_traces_are_read(shared_data: Path) -> None:
    traces = shared_data / "traces"
    lengths = azure_lengths(traces / "AzureLLMInferenceTrace_conv.csv")
    assert len(lengths) == 19_366
    clients = servegen(traces / "servegen/language/m-large", lengths, 48, 14, 60, day=5)
    requests = clients(Random(1))
    assert requests == sorted(requests, key=lambda request: request.at)
    conversations = mooncake(traces / "conversation_trace.jsonl", 8, 0.3, 60)(Random(1))
    assert isinstance(conversations[0], Request)
    with pytest.raises(NoTraces):
        azure_lengths(traces / "none.csv")
