"""Quality by share of calls to the strong model."""

from __future__ import annotations

import numpy as np
import pytest

from eval.cost_quality import curve, figures

CHEAP = np.asarray([1.0, 1.0, 0.0, 0.0])
STRONG = np.asarray([1.0, 1.0, 1.0, 1.0])


def test_who_knows_where_the_cheap_model_fails_needs_the_strong_one_there_alone() -> None:
    made = curve(np.asarray([0.0, 0.1, 0.9, 0.8]), CHEAP, STRONG)
    assert made.quality.tolist() == [0.5, 0.75, 1.0, 1.0, 1.0]
    assert made.gap.tolist() == [0.0, 0.5, 1.0, 1.0, 1.0]
    assert made.calls_for_gap(0.5) == 0.25
    assert made.calls_for_quality(0.95) == 0.5
    assert made.area == pytest.approx(0.75)


def test_who_is_always_wrong_needs_it_everywhere() -> None:
    made = curve(np.asarray([0.9, 0.8, 0.0, 0.1]), CHEAP, STRONG)
    assert made.calls_for_gap(0.5) == 0.75
    assert made.area == pytest.approx(0.25)


def test_who_knows_nothing_recovers_half_of_the_gap_on_average() -> None:
    dice = np.random.default_rng(1)
    cheap, wanted = dice.random(20_000) < 0.6, dice.random(20_000)
    made = curve(wanted, cheap.astype(float), np.ones(20_000))
    assert made.area == pytest.approx(0.5, abs=0.01)


def test_no_order_of_the_file_helps_who_tells_nothing_apart() -> None:
    cheap = np.repeat([0.0, 1.0], 10_000)
    assert curve(np.zeros(20_000), cheap, np.ones(20_000)).area == pytest.approx(0.5, abs=0.01)


def test_figures_come_with_intervals_around_them() -> None:
    dice = np.random.default_rng(1)
    cheap = (dice.random(2000) < 0.6).astype(float)
    found = figures(dice.random(2000) - 0.3 * cheap, cheap, np.ones(2000))
    assert set(found) == {"apgr", "cpt50", "cpt80", "keep95", "keep98"}
    for figure in found.values():
        assert figure.low <= figure.mean <= figure.high
        assert figure.n == 2000
