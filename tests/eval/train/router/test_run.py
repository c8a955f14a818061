"""From outcomes to a folder with a model."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lightgbm", reason="LightGBM is not installed (extra `train`)")

from eval.train.router.fitting import Recipe
from eval.train.router.outcomes import BadOutcomes, Outcome
from eval.train.router.run import FEWEST, trained
from gateway.config import Config
from routing.complexity import Complexity

RECIPE = Recipe(axes=4, trees=10, bags=1, parts=3, least=10)


def outcomes(cheap: float | None, strong: float | None) -> list[Outcome]:
    return [Outcome(f"Question {n}", cheap, strong, "") for n in range(FEWEST)]


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (outcomes(0, 1)[1:], "300 are needed"),
        (outcomes(1, None), "nothing of the strong"),
        (outcomes(1, 0.5), "no better"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    tmp_path: Path, known: list[Outcome], why: str
) -> None:
    with pytest.raises(BadOutcomes, match=why):
        trained(known, "own", tmp_path / "out", Config(), tmp_path, RECIPE)


def test_a_folder_is_written_and_its_worth_is_told(tmp_path: Path) -> None:
    known = [
        Outcome(f"What is {n}?" + " And why?" * (n % 2), float(n % 2 == 0), 1.0, "")
        for n in range(FEWEST)
    ]
    told = trained(known, "own", tmp_path / "out", Config(), tmp_path, RECIPE)
    assert "300 questions; quality 0.500 cheap, 1.000 strong" in told
    assert Complexity.load(tmp_path / "out").points.points[-1].share == 1
