"""Every way to misbehave, before every way to set the gateway up."""

from __future__ import annotations

import time

import pytest

from eval.bench.faults.cases import CASES
from eval.bench.faults.expectations import Fails
from eval.bench.faults.outage import outage
from eval.bench.faults.trial import Run, Verdict, runs
from tests.faults.conftest import World

LEFT_WITHIN = 10.0  # seconds
UNAVAILABLE = "503, no_model_available"
# What is the caller's own fault is said as such.
SAID = {"status-400": "400, invalid_request_error"}


def name(run: Run) -> str:
    case, stream = run
    return f"{case.name}-{'stream' if stream else 'plain'}"


@pytest.mark.parametrize("run", runs(CASES), ids=name)
def test_it_is_answered_and_charged_as_specified(
    world: World, verdicts: dict[tuple[str, bool], Verdict], run: Run
) -> None:
    case, stream = run
    verdict = verdicts[case.name, stream]
    assert verdict.complaints == (), verdict.seen
    check = case.check(stream)
    if isinstance(check, Fails) and world.trial.subject.expected(check) is check:
        assert verdict.seen == SAID.get(case.name, UNAVAILABLE)


def test_an_outage_is_noticed_and_its_end_too(world: World) -> None:
    verdict = world.run(outage(world.trial))
    assert verdict.complaints == (), verdict.seen


@pytest.mark.usefixtures("verdicts")
def test_nothing_is_left_open(world: World) -> None:
    deadline = time.monotonic() + LEFT_WITHIN
    while (world.busy or world.sockets() > world.sockets_before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert world.busy == 0
    assert world.sockets() <= world.sockets_before
    assert world.trial.upstream.strays == 0
