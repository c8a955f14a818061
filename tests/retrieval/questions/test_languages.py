"""Which languages a question may be in."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.datasets import read
from retrieval.questions.languages import languages


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Wie lange ist die Kündigungsfrist?", "de"),
        ("Kündigungsfrist", "de"),
        ("Quelle est la durée de la garantie ?", "fr"),
        ("¿Cuánto dura la garantía?", "es"),
        ("Quanto dura la garanzia?", "it"),
        ("Hoe lang is de garantie van het apparaat?", "nl"),
        ("Сколько длится гарантия?", "ru"),
        ("How long is the warranty?", "en"),
        ("What is the café's address?", "en"),
        ("Mice that lack Interferon-γ", "en"),
        ("EU-4021-B", "en"),
        ("", "en"),
    ],
)
def test_the_likeliest_language_comes_first(question: str, first: str) -> None:
    assert languages(question)[0] == first


def test_english_is_always_among_them() -> None:
    assert languages("Wie lange ist die Kündigungsfrist?") == ("de", "en")


def test_what_tells_nothing_may_be_in_any_language_that_is_held() -> None:
    assert languages("garantie", held=("de", "fr")) == ("en", "de", "fr")


def test_an_english_question_is_read_in_english_alone(shared_data: Path) -> None:
    asked = [question.text for question in read(shared_data / "squad_dev_2k").questions]
    assert sum(languages(text, held=("de",)) != ("en",) for text in asked) <= len(asked) // 100
