"""Which share of the dense score finds best."""

from __future__ import annotations

import random

from eval.tune.weights import Answered, fit
from retrieval.types import Hit, Legs, Passage


def hit(name: str, score: float) -> Hit:
    return Hit(Passage(name, name, "", 0, "", (), "", 0, 0), score)


def leg(right: bool, seed: int) -> list[Hit]:
    """Ten documents, with the wanted one first or nowhere."""
    chosen = random.Random(seed)
    others = sorted((chosen.random() for _ in range(9)), reverse=True)
    first = [hit("wanted", 1.5)] if right else []
    return first + [hit(f"{seed}-{n}", score) for n, score in enumerate(others)]


def asked(sparse: float, dense: float, many: int = 100) -> list[Answered]:
    """The halves are right in these shares of the questions, each in its own."""
    chosen = random.Random(1)
    return [
        Answered(
            Legs(leg(chosen.random() < dense, 2 * n), leg(chosen.random() < sparse, 2 * n + 1)),
            {"wanted": 1},
        )
        for n in range(many)
    ]


def test_a_half_that_is_always_wrong_gets_little() -> None:
    assert fit(asked(sparse=0.0, dense=1.0), present=0.4).weight > 0.5
    assert fit(asked(sparse=1.0, dense=0.0), present=0.4).weight < 0.5


def test_a_setting_that_is_best_already_gains_nothing() -> None:
    found = fit(asked(sparse=0.9, dense=0.9), present=0.5)
    assert found.gain.low <= 0
    assert found.fitted.mean <= found.present.mean + 0.05


def test_a_bad_setting_is_found_out_on_questions_held_out() -> None:
    found = fit(asked(sparse=0.0, dense=0.9), present=0.1)
    assert found.gain.low > 0
    assert found.low <= found.weight <= found.high


def test_the_same_questions_give_the_same_fit() -> None:
    assert fit(asked(0.5, 0.5), 0.4) == fit(asked(0.5, 0.5), 0.4)


def test_a_single_question_is_no_failure() -> None:
    assert fit(asked(1.0, 1.0, many=1), None).questions == 1
