"""Exchanges change what is asked, and restyling does not."""

from __future__ import annotations

import random

import pytest

from eval.swaps import Swaps, names, restyled


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How do I lose 5 kg?", "number"),
        ("flights to paris", "entity"),
        ("how far is it in miles", "unit"),
        ("how to increase the volume", "direction"),
        ("from Boston to Denver", "direction"),
        ("why do cats purr", "negation"),
    ],
)
def test_a_question_is_given_another_meaning(question: str, kind: str) -> None:
    made = {swap.kind: swap for swap in Swaps([], 1).of(question)}
    assert made[kind].text != question
    assert made[kind].was in question


def test_the_same_seed_makes_the_same() -> None:
    question = "how many miles are 5 kilometers to london"
    assert Swaps([], 4).of(question) == Swaps([], 4).of(question)


def test_a_question_without_anything_to_exchange_makes_none() -> None:
    assert Swaps([], 1).of("tell a joke") == []


def test_names_are_taken_from_inside_sentences() -> None:
    assert names(["What did Ada Lovelace write?", "Paris is where?"]) == ["Ada Lovelace"]


def test_a_unit_is_not_exchanged_for_another_word_for_it() -> None:
    made = [s for n in range(30) for s in Swaps([], n).of("5 kg of rice") if s.kind == "unit"]
    assert made
    assert not {swap.now for swap in made} & {"kilos", "kilograms", "kg"}


def test_another_manner_keeps_every_number() -> None:
    chosen = random.Random(2)
    for _ in range(50):
        text = restyled("What is the price of 450 apples?", chosen)
        assert "450" in text
