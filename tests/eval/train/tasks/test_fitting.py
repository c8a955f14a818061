"""The model of tasks fitted to requests."""

from __future__ import annotations

import numpy as np

from eval.suites.tasks import measured
from eval.train.tasks.fitting import Recipe, fitted
from eval.train.tasks.material import Request

ASKED = [
    *(Request(f"Verse number {i}", "creative", "made") for i in range(40)),
    *(Request(f"Sum number {i}", "mathematics", "made") for i in range(40)),
]
SIDES = np.repeat(np.asarray([[1, 0, 0, 0], [0, 1, 0, 0]], dtype=np.float32), 40, axis=0)


def test_what_the_vectors_tell_apart_is_told_apart() -> None:
    model = fitted(ASKED, SIDES, "an encoder", Recipe())
    (row,) = measured(model, ASKED, SIDES)
    assert row.words.mean == 0
    assert row.model.mean == 1
    assert row.gained.mean == 1


def test_the_same_requests_make_the_same_model() -> None:
    first, again = (fitted(ASKED, SIDES, "an encoder", Recipe()) for _ in range(2))
    assert np.array_equal(first.weights, again.weights)
