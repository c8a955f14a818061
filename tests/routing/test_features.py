"""What the router sees in a question."""

from __future__ import annotations

import pytest

from routing.features import features


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
    assert features(question, grounded=True, tokens=10).task == task


@pytest.mark.parametrize(
    ("question", "complexity"),
    [
        ("What is the return window?", "simple"),
        ("Compare the EU and US returns policies and explain how they differ", "complex"),
        (" ".join(["word"] * 80), "complex"),
    ],
)
def test_complexity_is_told_apart(question: str, complexity: str) -> None:
    assert features(question, grounded=True, tokens=10).complexity == complexity
