"""What was computed once is not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from eval.remembered import Memory, Remembered, digest
from retrieval.types import Query, Vectors


class Counting:
    """An encoder that counts what it embeds."""

    name, size, window = "counting", 2, 10

    def __init__(self) -> None:
        self.embedded: list[str] = []

    async def query(self, text: str) -> Query:
        self.embedded.append(text)
        return Query(text, np.array([1, len(text)], dtype=np.float32))

    async def passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([(await self.query(text)).vector for text in texts])

    def count(self, text: str) -> int:
        return len(text)

    async def aclose(self) -> None: ...


@pytest.mark.anyio
async def test_no_text_is_embedded_twice_not_even_by_the_next_run(tmp_path: Path) -> None:
    first, again = Counting(), Counting()
    made = await Remembered(first, Memory(tmp_path)).passages(["a", "bb", "a"])
    later = Remembered(again, Memory(tmp_path))
    known = await later.passages(["bb", "a", "ccc"])
    assert first.embedded == ["a", "bb"]
    assert again.embedded == ["ccc"]
    assert known[:2].tolist() == made[[1, 0]].tolist()


@pytest.mark.anyio
async def test_a_question_is_no_passage(tmp_path: Path) -> None:
    encoder = Counting()
    remembered = Remembered(encoder, Memory(tmp_path))
    await remembered.passages(["a"])
    first = await remembered.query("a")
    assert (await remembered.query("a")).vector.tolist() == first.vector.tolist()
    assert encoder.embedded == ["a", "a"]


@pytest.mark.anyio
async def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    assert (await Remembered(Counting(), Memory(tmp_path)).passages([])).shape == (0, 2)


def test_texts_are_told_apart_from_their_neighbours() -> None:
    assert digest("ab", "c") != digest("a", "bc")


@pytest.mark.anyio
async def test_questions_asked_together_are_those_asked_one_by_one(tmp_path: Path) -> None:
    first, again = Counting(), Counting()
    memory = Memory(tmp_path)
    one = await Remembered(first, memory).query("bb")
    made = await Remembered(again, memory).questions(["a", "bb", "ccc"])
    assert again.embedded == ["a", "ccc"]
    assert made[1].tolist() == one.vector.tolist()
    assert made[:, 1].tolist() == [1, 2, 3]
