"""Boosters of LightGBM as forests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.train.forests import below, exported
from retrieval.forest import Forest

lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed (extra `train`)")


def drawn(rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(13)
    x = random.normal(size=(rows, 9)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] + x[:, 2] > random.normal(size=rows)).astype(np.float32)


def fitted(seed: int, objective: str = "binary") -> Any:
    x, y = drawn(2000)
    recipe = {"objective": objective, "num_leaves": 13, "seed": seed, "verbose": -1}
    recipe |= {"bagging_fraction": 0.6, "bagging_freq": 1, "num_threads": 1}
    return lightgbm.train(recipe, lightgbm.Dataset(x, y), 40)


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_a_forest_agrees_with_its_booster(objective: str) -> None:
    booster, (x, _) = fitted(1, objective), drawn(3000)
    forest = Forest.load(exported([booster]).stored())
    assert np.abs(forest.predict(x) - booster.predict(x, raw_score=True)).max() < 1e-6


def test_it_agrees_at_the_thresholds_themselves() -> None:
    booster = fitted(1)
    x, _ = drawn(3000)
    thresholds = exported([booster]).threshold
    # What is smaller than 1e-35 LightGBM takes for 0, but only when it predicts.
    kept = np.isfinite(thresholds) & (np.abs(thresholds) > 1e-30)
    x[:, 0] = np.resize(thresholds[kept], len(x))
    found = exported([booster]).predict(x)
    assert np.abs(found - booster.predict(x, raw_score=True)).max() < 1e-6


def test_several_boosters_are_one_forest_that_says_their_mean() -> None:
    boosters, (x, _) = [fitted(1), fitted(2)], drawn(500)
    mean = sum(booster.predict(x, raw_score=True) for booster in boosters) / 2
    assert np.abs(exported(boosters).predict(x) - mean).max() < 1e-6


def test_splits_of_missing_numbers_are_refused() -> None:
    x, y = drawn(2000)
    x[::3, 0] = np.nan
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 5)
    with pytest.raises(ValueError, match="missing"):
        exported([booster])


def test_no_number_of_32_bits_falls_between_a_threshold_and_its_short_form() -> None:
    exact = np.random.default_rng(13).normal(size=1000)
    short = below(exact)
    assert np.all(short.astype(np.float64) <= exact)
    assert np.all(np.nextafter(short, np.float32(np.inf)).astype(np.float64) > exact)
