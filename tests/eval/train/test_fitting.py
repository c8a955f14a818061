"""Fitting, on what can be learned in a second."""

from __future__ import annotations

import numpy as np

from eval.train.fitting import Recipe, fit_answer, fit_choice

QUICK = Recipe(units=4, networks=2, epochs=30, decay=1e-4)


def test_learns_which_row_of_a_list_is_right() -> None:
    random = np.random.default_rng(0)
    lists = [random.normal(size=(5, 3)).astype(np.float32) for _ in range(200)]
    right = [(rows[:, 1] == rows[:, 1].max()).astype(np.float32) for rows in lists]
    network = fit_choice(("a", "b", "c"), lists, right, QUICK)
    hits = [
        network(rows).argmax() == mark.argmax() for rows, mark in zip(lists, right, strict=True)
    ]
    assert np.mean(hits) > 0.9


def test_learns_odds_that_no_line_could() -> None:
    random = np.random.default_rng(0)
    rows = random.uniform(-1, 1, size=(600, 2)).astype(np.float32)
    yes = (rows[:, 0] * rows[:, 1] > 0).astype(np.float32)
    network = fit_answer(("a", "b"), rows, yes, np.ones(600, dtype=np.float32), QUICK)
    assert ((network(rows) > 0) == yes.astype(bool)).mean() > 0.9


def test_the_same_seed_gives_the_same_weights() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    yes = (rows[:, 0] > 0).astype(np.float32)
    weights = np.ones(100, dtype=np.float32)
    first, second = (fit_answer(("a", "b"), rows, yes, weights, QUICK) for _ in range(2))
    assert first.stored() == second.stored()
