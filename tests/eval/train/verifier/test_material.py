"""What the pair model is taught."""

from __future__ import annotations

import random

import numpy as np

from eval.asked_again import Meant
from eval.pairs import Pair
from eval.train.verifier.material import Amounts, alike, styles, swaps, taught

QUESTIONS = [
    Meant("how do i lock 2 doors", "lock"), Meant("lock 2 doors for me", "lock"),
    Meant("lock 3 doors for me", "lock"), Meant("how do i open a window", "open"),
    Meant("open the window", "open"),
]  # fmt: skip
VECTORS = np.eye(5, 8, dtype=np.float32) * 0.6 + 0.3
PAIRS = [
    Pair("Is it 5 km to Rome?", "How far is Rome, 5 km?", True, "quora"),
    Pair("Is it 5 km to Rome?", "Who built Rome?", False, "quora"),
]


def test_exchanges_are_taught_as_different_and_manners_as_the_same() -> None:
    assert not any(pair.same for pair in swaps(["how do i lock 2 doors"], 1))
    assert all(pair.same for pair in styles(["What is it?"] * 9, random.Random(1)))


def test_intents_give_one_that_is_the_same_and_one_that_is_not() -> None:
    pairs = alike(QUESTIONS, VECTORS, random.Random(1))
    intents = {question.text: question.intent for question in QUESTIONS}
    assert all((intents[p.asked] == intents[p.known]) == p.same for p in pairs)
    assert sum(not pair.same for pair in pairs) == len(QUESTIONS)


def test_one_meaning_with_two_numbers_is_not_taught_as_the_same() -> None:
    found = taught(PAIRS, QUESTIONS, VECTORS, 1)
    numbers = {("lock 2 doors for me", "lock 3 doors for me")}
    assert not [p for p in found if p.same and {(p.asked, p.known), (p.known, p.asked)} & numbers]


def test_the_same_seed_teaches_the_same_and_no_more_than_is_wanted() -> None:
    few = Amounts(1, 1, 1, 1, 1, 1)
    assert taught(PAIRS, QUESTIONS, VECTORS, 3, few) == taught(PAIRS, QUESTIONS, VECTORS, 3, few)
    kinds = [pair.kind for pair in taught(PAIRS, QUESTIONS, VECTORS, 3, few)]
    assert kinds.count("quora") == 2
    assert sum(kind in ("same intent", "other intent") for kind in kinds) == 1
