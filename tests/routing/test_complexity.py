"""Whether the cheap model will do."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from routing.complexity import PACKAGED, BadModel, Complexity
from routing.cues import CUES

MODEL = Complexity.load()
GOLDEN = [0.8245, 0.818243, 0.815872]
EASY = "Which planet is closest to the sun?\nA. Mercury\nB. Venus\nC. Earth\nD. Mars\nAnswer:"


def vector(seed: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=384).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn))


@given(st.text(max_size=200), st.integers(0, 1000))
def test_it_is_a_probability_whatever_is_asked(question: str, seed: int) -> None:
    assert 0 < MODEL.cheap_will_do(question, vector(seed)) < 1


def test_it_falls_with_the_gain_that_is_expected_of_the_strong_model() -> None:
    told = [MODEL.explain(f"{EASY} {seed}", vector(seed)) for seed in range(40)]
    by_gain = sorted(told, key=lambda one: one.strong_quality - one.cheap_quality)
    probabilities = [one.cheap_will_do for one in by_gain]
    assert probabilities == sorted(probabilities, reverse=True)


def test_an_explanation_says_the_same_probability_and_what_it_is_made_of() -> None:
    told = MODEL.explain(EASY, vector(1))
    assert told.cheap_will_do == pytest.approx(MODEL.cheap_will_do(EASY, vector(1)))
    assert list(told.cues) == list(CUES)
    assert told.cues["options"] == 4
    sizes = [abs(size) for _, size in told.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert {name for name, _ in told.contributions} <= {"embedding", *CUES}


def test_the_packaged_points_go_from_never_to_always() -> None:
    points = MODEL.points.points
    assert (points[0].share, points[-1].share) == (0, 1)
    assert points[0].threshold == 0
    assert points[-1].threshold == 1
    assert points[-1].quality == pytest.approx(1)
    assert all(point.low <= point.quality + 1e-9 for point in points)


def test_the_packaged_files_say_what_they_said() -> None:
    told = [MODEL.cheap_will_do(question, vector(1)) for question in (EASY, "Why?", "2 + 2 = ?")]
    assert told == pytest.approx(GOLDEN, abs=1e-4)


def test_what_is_saved_is_loaded_as_it_was(tmp_path: Path) -> None:
    MODEL.save(tmp_path, {"fitted to": "nothing"})
    again = Complexity.load(tmp_path)
    assert again.cheap_will_do(EASY, vector(1)) == MODEL.cheap_will_do(EASY, vector(1))
    assert again.points == MODEL.points


def edited(folder: Path, **changes: Any) -> None:
    stored = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(stored | changes))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda folder: (folder / "model.json").unlink(), "model.json"),
        (lambda folder: (folder / "cheap.npz").write_bytes(b""), "no model"),
        (lambda folder: edited(folder, cues=["length"]), "other cues"),
        (lambda folder: edited(folder, usual=[1.0]), "belong together"),
        (lambda folder: edited(folder, slope=0.5), "does not fall"),
        (lambda folder: edited(folder, shift=math.inf), "does not fall"),
    ],
)
def test_a_folder_that_does_not_hold_together_is_refused(
    tmp_path: Path, broken: Callable[[Path], None], why: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(PACKAGED, folder)
    broken(folder)
    with pytest.raises(BadModel, match=why):
        Complexity.load(folder)
