"""A model of complexity fitted to outcomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="LightGBM is not installed (extra `train`)")

from eval.cost_quality import curve
from eval.train.router.fitting import Recipe, Rows, calibrated, completed, fitted, held_out, parts
from eval.train.router.outcomes import Outcome
from routing.complexity import Complexity

RECIPE = Recipe(axes=4, trees=120, rate=0.1, bags=1, parts=3, least=10)


def made(questions: int) -> Rows:
    """The cheap model fails where a question is long and its vector points up."""
    dice = np.random.default_rng(13)
    vectors = dice.normal(size=(questions, 8)).astype(np.float32)
    vectors[:, 0] *= 3
    outcomes = []
    for vector in vectors:
        words = dice.integers(1, 60)
        fails = words > 30 and vector[0] > 0
        text = "word " * words
        outcomes.append(Outcome(text, float(not fails), 1.0, f"subject {dice.integers(6)}"))
    return Rows.of(outcomes, vectors)


def test_it_finds_where_the_cheap_model_fails_and_says_how_likely(tmp_path: Path) -> None:
    rows = made(600)
    held = held_out(rows, RECIPE)
    assert curve(held, rows.cheap, rows.strong).area > 0.8
    fitted(rows, "an encoder", RECIPE, held).save(tmp_path, {})
    model = Complexity.load(tmp_path)
    up = np.asarray([4, *[0] * 7], dtype=np.float32)
    assert model.cheap_will_do("word " * 40, up) < 0.4
    assert model.cheap_will_do("word " * 40, -up) > 0.8
    assert model.cheap_will_do("word " * 4, up) > 0.8


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    rows = made(300)
    for name in ("one", "other"):
        fitted(rows, "an encoder", RECIPE, held_out(rows, RECIPE)).save(tmp_path / name, {})
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_operating_points_keep_what_they_promise_on_held_out_questions() -> None:
    rows = made(600)
    held = held_out(rows, RECIPE)
    point = fitted(rows, "an encoder", RECIPE, held).points.keeping(0.95)
    assert point.quality >= 0.95
    assert 0 < point.share < 0.6


def test_a_model_that_was_not_asked_is_expected_to_do_as_it_did_elsewhere() -> None:
    rows = made(600)
    known = np.arange(600) % 2 == 0
    half = replace(rows, cheap=np.where(known, rows.cheap, np.nan))
    whole = completed(half, RECIPE)
    assert np.array_equal(whole.cheap[known], rows.cheap[known])
    failing, fine = rows.cheap[~known] == 0, rows.cheap[~known] == 1
    assert whole.cheap[~known][failing].mean() < 0.5 < whole.cheap[~known][fine].mean()


def test_a_subject_is_in_one_part_alone() -> None:
    rows = made(300)
    part = parts(rows.subjects, RECIPE)
    for subject in np.unique(rows.subjects):
        assert len(np.unique(part[rows.subjects == subject])) == 1


def test_without_subjects_questions_are_spread() -> None:
    assert sorted(np.bincount(parts(np.full(300, ""), RECIPE))) == [100, 100, 100]


def test_a_calibrated_probability_is_right_as_often_as_it_says() -> None:
    dice = np.random.default_rng(13)
    gains = dice.normal(size=20_000)
    strong_helps = dice.random(20_000) < 1 / (1 + np.exp(1 - 2 * gains))
    shift, slope = calibrated(gains, 1.0 - strong_helps, np.ones(20_000))
    assert shift == pytest.approx(1, abs=0.1)
    assert slope == pytest.approx(-2, abs=0.1)
