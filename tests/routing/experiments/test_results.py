"""What an experiment comes to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from routing.experiments.config import Experiment, Metric
from routing.experiments.results import Part, results


def parts(variant: str, faithful: float, n: int = 200, requests: int = 1) -> list[Part]:
    """Callers whose figures vary a little around a mean."""
    return [
        Part(variant, requests, {"faithfulness": faithful + 0.1 * (-1) ** place, "cost": 0.01})
        for place in range(n)
    ]


def test_what_is_better_stops_it() -> None:
    found = results(["a", "b"], parts("a", 0.6) + parts("b", 0.8), "faithfulness")
    assert (found.stop, found.verdict) == (True, "stop: by faithfulness, b is better than a")
    seen = found.arms[1].differences["faithfulness"]
    assert seen.value == pytest.approx(0.2)
    assert 0 < seen.low < seen.high


def test_more_of_what_is_paid_is_worse() -> None:
    dear = [Part("b", 1, {"cost": 0.02 + 0.001 * (-1) ** n}) for n in range(100)]
    cheap = [Part("a", 1, {"cost": 0.01 + 0.001 * (-1) ** n}) for n in range(100)]
    assert results(["a", "b"], cheap + dear, "cost").verdict == "stop: by cost, b is worse than a"


def test_what_is_not_decided_goes_on() -> None:
    found = results(["a", "b"], parts("a", 0.6) + parts("b", 0.605), "faithfulness")
    assert (found.stop, found.verdict) == (False, "go on: nothing is decided by faithfulness")


def test_a_busy_caller_counts_once() -> None:
    busy = [Part("b", 10_000, {"faithfulness": 0.0})]
    found = results(["a", "b"], parts("a", 0.6) + parts("b", 0.6) + busy, "faithfulness")
    assert found.arms[1].callers == 201
    assert found.arms[1].means["faithfulness"] == pytest.approx(0.6, abs=0.01)


def test_many_requests_of_few_callers_decide_nothing() -> None:
    few = parts("a", 0.2, n=3, requests=1_000) + parts("b", 0.8, n=3, requests=1_000)
    found = results(["a", "b"], few, "faithfulness")
    assert (found.stop, found.arms[1].differences) == (False, {})
    assert found.verdict == "go on: too few callers have been seen for faithfulness"


@pytest.mark.parametrize("decides", ["latency", "errors"])
def test_a_figure_that_nobody_has_decides_nothing(decides: Metric) -> None:
    assert not results(["a", "b"], parts("a", 0.6) + parts("b", 0.8), decides).stop


HALVES = {"a": {"share": 0.5}, "b": {"share": 0.5, "model": "auto:best"}}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"variants": {"a": {"share": 0.7}, "b": {"share": 0.7}}}, "more than 1 together"),
        ({"variants": {"a": {"share": 1.0}}}, "at least 2"),
        ({"variants": {"a/b": {"share": 0.5}, "c": {"share": 0.5}}}, "match pattern"),
        ({"variants": HALVES, "when": "p_cheap > 0.5"}, "'p_cheap' is not known yet"),
        ({"variants": HALVES, "when": "weather = 'fine'"}, "no signal 'weather'"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Experiment.model_validate(given)
