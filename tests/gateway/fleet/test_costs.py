"""What is learned of a replica's costs."""

from __future__ import annotations

import pytest

from gateway.fleet.costs import Delays, learned
from routing.placement.types import Costs


def test_an_estimate_rises_quickly_and_falls_slowly() -> None:
    risen, fallen = learned(1.0, 2.0), learned(1.0, 0.0)
    assert risen - 1.0 > 5 * (1.0 - fallen) > 0


def test_it_comes_to_what_is_seen_again_and_again() -> None:
    estimate = 0.6
    for _ in range(200):
        estimate = learned(estimate, 0.1)
    assert estimate == pytest.approx(0.1, rel=0.01)


def test_what_those_ahead_add_is_told_from_what_the_engine_takes_anyway() -> None:
    costs, delays = Costs(queue=0.02, prefill=0.0), Delays()
    for _ in range(300):
        delays.observed(costs, 0.5, ahead=0, tokens=0, from_cpu=False)
        delays.observed(costs, 0.5 + 4 * 0.1, ahead=4, tokens=0, from_cpu=False)
    assert costs.queue == pytest.approx(0.1, rel=0.01)


def test_reading_a_long_prompt_is_not_taken_for_waiting() -> None:
    costs, delays = Costs(queue=0.02, prefill=0.001), Delays()
    for _ in range(300):
        delays.observed(costs, 0.5, ahead=0, tokens=0, from_cpu=False)
        delays.observed(costs, 1.5, ahead=4, tokens=1000, from_cpu=False)
    assert costs.queue < 0.002


def test_bringing_an_adapter_from_memory_is_learned_apart() -> None:
    costs, delays = Costs(queue=0.02, prefill=0.0), Delays()
    for _ in range(300):
        delays.observed(costs, 0.5, ahead=0, tokens=0, from_cpu=False)
        delays.observed(costs, 0.8, ahead=0, tokens=0, from_cpu=True)
    assert costs.from_cpu == pytest.approx(0.3, rel=0.01)
    assert costs.queue == 0.02


def test_nothing_is_learned_before_it_is_known_what_an_idle_engine_takes() -> None:
    costs, delays = Costs(), Delays()
    delays.observed(costs, 5.0, ahead=3, tokens=0, from_cpu=False)
    assert costs == Costs()
