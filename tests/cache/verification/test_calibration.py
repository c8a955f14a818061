"""Which score keeps which promise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.verification.calibration import BadCalibration, Calibration, kept

labelled = st.lists(st.tuples(st.floats(-9, 9), st.booleans()), min_size=1, max_size=300)


def of(pairs: list[tuple[float, bool]]) -> Calibration:
    return Calibration.of([score for score, _ in pairs], [right for _, right in pairs])


def test_without_a_wrong_one_230_pairs_promise_one_percent() -> None:
    """0.99 ** 229 is above a tenth, 0.99 ** 230 below it."""
    assert not kept(0, 229, 0.01)
    assert kept(0, 230, 0.01)


def test_the_least_score_is_the_lowest_that_keeps_the_promise() -> None:
    pairs = [(9.0 - n / 100, True) for n in range(400)]
    pairs += [(1.0 - n / 100, False) for n in range(50)]
    assert of(pairs).least(0.01) == pytest.approx(5.01, abs=0.02)
    assert of(pairs).least(0.05) < 1.0


def test_too_few_pairs_promise_nothing() -> None:
    assert math.isinf(of([(5.0, True)] * 100).least(0.01))


def test_probabilities_fall_with_the_score() -> None:
    chosen = np.random.default_rng(1)
    scores = chosen.normal(size=5000)
    right = chosen.random(5000) < 1 / (1 + np.exp(-2 * scores))
    made = Calibration.of(scores.tolist(), right.tolist())
    told = [made.probability(score) for score in np.linspace(3, -3, 50)]
    assert told == sorted(told, reverse=True)
    assert made.probability(0.0) == pytest.approx(0.5, abs=0.1)


@given(labelled, st.floats(0.001, 0.5))
def test_what_is_promised_was_so_among_the_labelled(
    pairs: list[tuple[float, bool]], rate: float
) -> None:
    least = of(pairs).least(rate)
    served = [right for score, right in pairs if score >= least]
    assert sum(not right for right in served) <= rate * len(served)


@given(labelled)
def test_a_greater_rate_never_serves_less(pairs: list[tuple[float, bool]]) -> None:
    made = of(pairs)
    assert made.least(0.05) <= made.least(0.02) <= made.least(0.01)


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = of([(n / 10, n % 3 > 0) for n in range(300)])
    (tmp_path / "kept.json").write_text(made.stored())
    read = Calibration.load(tmp_path / "kept.json")
    assert read.stored() == made.stored()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"scores": 1}'])
def test_a_file_that_holds_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(BadCalibration, match=r"broken\.json"):
        Calibration.load(tmp_path / "broken.json")
