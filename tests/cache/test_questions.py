"""Which questions are near, among few and among very many."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cache.questions import Questions
from retrieval.types import Vector, Vectors
from tests.effort import cpu_seconds

pytestmark = pytest.mark.anyio

SIZE = 64


def vectors(count: int, seed: int, size: int = SIZE) -> Vectors:
    numbers = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    found: Vectors = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    return found


def beside(vector: Vector, cosine: float, seed: int) -> Vector:
    """A vector that has this cosine to another."""
    (other,) = vectors(1, seed, vector.size)
    other -= (other @ vector) * vector
    found: Vector = cosine * vector + (1 - cosine**2) ** 0.5 * other / np.linalg.norm(other)
    return found


def filled(rows: Vectors) -> Questions:
    questions = Questions(rows.shape[1])
    for number, row in enumerate(rows):
        questions.add(str(number), row, float(number))
    return questions


async def keys(questions: Questions, vector: Vector, floor: float = 0.7) -> list[str]:
    return [near.key for near in await questions.nearest(vector, floor, -1.0)]


async def test_the_nearest_comes_first_with_its_cosine() -> None:
    rows = vectors(10, 1)
    questions = filled(rows)
    questions.add("b", beside(rows[0], 0.8, 2), 0.0)
    questions.add("a", beside(rows[0], 0.9, 3), 0.0)
    near = await questions.nearest(rows[0], 0.75, -1.0)
    assert [each.key for each in near] == ["0", "a", "b"]
    assert [each.cosine for each in near] == pytest.approx([1, 0.9, 0.8], abs=0.002)


async def test_what_was_made_too_early_is_left_out_before_it_can_crowd_others_out() -> None:
    (asked,) = vectors(1, 1)
    questions = Questions(SIZE)
    for number in range(1_000):
        questions.add(str(number), beside(asked, 0.95, number), float(number))
    questions.add("late", beside(asked, 0.8, 7), 5_000.0)
    found = await questions.nearest(asked, 0.7, 1_000.0)
    assert [near.key for near in found] == ["late"]


async def test_of_many_the_near_ones_are_found() -> None:
    rows = vectors(20_000, 1, 384)
    questions = filled(rows)
    missed = 0
    for number in range(0, 20_000, 400):
        cosine = 0.705 + 0.29 * number / 20_000
        near = await keys(questions, beside(rows[number], cosine, number))
        missed += near[:1] != [str(number)]
    assert missed == 0


async def test_what_comes_and_goes_leaves_no_gap() -> None:
    dice, rows = random.Random(1), vectors(2_000, 1)
    questions, there = Questions(SIZE), dict[str, int]()
    for step in range(6_000):
        number = dice.randrange(2_000)
        if dice.random() < (0.7 if step < 3_000 else 0.3):
            questions.add(str(number), rows[number], 0.0)
            there.pop(str(number), None)
            there[str(number)] = number
        else:
            questions.remove(str(number))
            there.pop(str(number), None)
        assert len(questions) == len(there)
        if step % 50 == 0:
            assert await keys(questions, rows[number], 0.99) == [str(number)] * (
                str(number) in there
            )
            assert not there or questions.oldest == next(iter(there))
    for key in list(there):
        questions.remove(key)
    assert await keys(questions, rows[0]) == []


async def test_a_vector_of_another_size_is_near_to_none() -> None:
    questions = filled(vectors(3, 1))
    questions.add("other", vectors(1, 2, 32)[0], 0.0)
    assert len(questions) == 3
    assert await keys(questions, vectors(1, 2, 32)[0], 0) == []


async def test_the_opposite_of_a_question_is_not_near() -> None:
    rows = vectors(1_000, 1, 384)
    assert await keys(filled(rows), -rows[0]) == []


async def test_eight_times_as_many_questions_take_eight_times_as_long() -> None:
    rows = vectors(1_000, 1)

    def fill(count: int) -> None:
        questions = Questions(SIZE)
        for number in range(count):
            questions.add(str(number), rows[number % 1_000], 0.0)

    assert cpu_seconds(lambda: fill(20_000)) < 3 * 8 * cpu_seconds(lambda: fill(2_500))
