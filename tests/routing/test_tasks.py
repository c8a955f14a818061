"""What a request is for, by its embedding and its words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from routing.complexity import BadModel
from routing.features import task_by_words
from routing.tasks import PACKAGED, Tasks

MODEL = Tasks.load()
GOLDEN = 0.198872


def vector(seed: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=384).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn))


@given(st.text(max_size=200), st.integers(0, 1000))
def test_probabilities_are_those_of_all_tasks_together(question: str, seed: int) -> None:
    likely = MODEL.probabilities(question, vector(seed))
    assert likely.sum() == pytest.approx(1)
    assert likely.min() >= 0
    assert MODEL.task(question, vector(seed)) in MODEL.names


def test_the_packaged_files_say_what_they_said() -> None:
    likely = MODEL.probabilities("Summarise this: pumps are made of steel.", vector(1))
    told = dict(zip(MODEL.names, likely.tolist(), strict=True))
    assert told["summary"] == pytest.approx(GOLDEN, abs=1e-4)


def test_where_it_is_not_sure_the_words_decide() -> None:
    unsure = replace(MODEL, sure=1.1)
    for question in ("Summarise this.", "Write a poem.", "Hello!", "What is a pump?"):
        assert unsure.task(question, vector(1)) == task_by_words(question)


def test_where_it_is_sure_the_words_do_not() -> None:
    always = replace(MODEL, sure=0.0, weights=np.zeros_like(MODEL.weights))
    always.weights[:, 2] = 0
    always.weights[-1, 2] = 9
    assert always.task("def f(x):", vector(1)) == MODEL.names[2] != "code"


def test_what_is_saved_is_loaded_as_it_was(tmp_path: Path) -> None:
    MODEL.save(tmp_path, {"requests": 0})
    again = Tasks.load(tmp_path)
    assert np.array_equal(again.weights, MODEL.weights)
    assert (again.names, again.sure, again.encoder) == (MODEL.names, MODEL.sure, MODEL.encoder)


def edited(folder: Path, **changes: Any) -> None:
    stored = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(stored | changes))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda folder: (folder / "weights.npy").unlink(), "no model"),
        (lambda folder: edited(folder, marks=["length"]), "other marks"),
        (lambda folder: edited(folder, names=["code", "chess"]), "other marks or tasks"),
        (lambda folder: edited(folder, names=["code", "summary"]), "belong together"),
    ],
)
def test_a_folder_that_does_not_hold_together_is_refused(
    tmp_path: Path, broken: Callable[[Path], None], why: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(PACKAGED, folder)
    broken(folder)
    with pytest.raises(BadModel, match=why):
        Tasks.load(folder)
