"""What the router sees in a question."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from routing.features import complexity_by_words, task_by_words
from tests.effort import cpu_seconds


@pytest.mark.parametrize(
    ("question", "task"),
    [
        ("Refactor this function to use a generator", "code"),
        ("```py\nprint(1)\n``` what does it print?", "code"),
        ("What is the derivative of x^2?", "mathematics"),
        ("Summarize the returns policy", "summary"),
        ("List all part numbers as JSON", "extraction"),
        ("Write a haiku about anchors", "creative"),
        ("hello there", "conversation"),
        ("How long may I return goods in the EU?", "question"),
    ],
)
def test_tasks_are_told_apart(question: str, task: str) -> None:
    assert task_by_words(question) == task


@pytest.mark.parametrize(
    ("question", "complexity"),
    [
        ("What is the return window?", "simple"),
        ("Compare the EU and US returns policies and explain how they differ", "complex"),
        (" ".join(["word"] * 80), "complex"),
    ],
)
def test_complexity_is_told_apart(question: str, complexity: str) -> None:
    assert complexity_by_words(question) == complexity


@pytest.mark.parametrize("filler", ["\n", "\n ", " ", "1", "1+", "implement ", "class a", "-\n"])
def test_the_work_grows_no_faster_than_the_question(filler: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = filler * (size // len(filler))
        return lambda: (task_by_words(text), complexity_by_words(text))

    assert cpu_seconds(work(4_000)) < 12 * cpu_seconds(work(1_000))


def test_items_of_a_list_are_parts_whatever_stands_before_them() -> None:
    items = "Answer these:\n\n  - a\n\n\t* b\n1 c\n 2 d"
    assert complexity_by_words(items) == "complex"
