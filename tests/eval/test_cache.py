"""The cache's suite over a small world of its own."""

from __future__ import annotations

import numpy as np
import pytest

from cache.verification.verifier import PACKAGED
from eval.asked_again import Meant
from eval.pairs import Pair
from eval.suites.cache import Report, World, made, measured, table

CITIES = ["paris", "rome", "oslo", "lima", "cairo", "delhi", "tokyo", "quito"]
QUESTIONS = [
    Meant(frame.format(city), city)
    for city in CITIES
    for frame in ("what is the weather in {}", "what's the weather in {}", "weather in {} please")
]
PAIRS = [
    Pair(f"weather in {city}", f"what is the weather in {other}", city == other, "quora")
    for city in CITIES
    for other in CITIES
]


def vector(text: str) -> np.ndarray:
    """Every word its own direction."""
    chosen = np.zeros(384, dtype=np.float32)
    for word in text.lower().split():
        chosen += np.random.default_rng(sum(map(ord, word))).normal(size=384)
    return chosen / np.linalg.norm(chosen)


@pytest.fixture(scope="module")
def report() -> Report:
    exchanged, alike = made(PAIRS, QUESTIONS)
    texts = {t for pair in (*PAIRS, *exchanged, *alike) for t in (pair.asked, pair.known)}
    texts |= {question.text for question in QUESTIONS}
    mock = [(question.text, question.text + " now") for question in QUESTIONS[::3]]
    texts |= {text for both in mock for text in both}
    vectors = {text: vector(text) for text in texts}
    return measured(World("words", PAIRS, exchanged, alike, QUESTIONS, mock, vectors), PACKAGED)


def test_a_city_is_never_given_for_another(report: Report) -> None:
    exchanged = [row for row in report.kinds if row.kind.endswith("entity")]
    assert exchanged
    assert all(share.mean == 0 for row in exchanged for share in row.verified)


def test_every_row_says_how_many_it_counts(report: Report) -> None:
    assert report.pairs == len(PAIRS)
    assert {row.hits.n for row in report.streams} == {3 * len(QUESTIONS), 10 * len(QUESTIONS)}
    assert [promise.rate for promise in report.promises] == [0.01, 0.02, 0.05]
    assert {promise.wrong.n for promise in report.promises} == {10}


def test_every_paraphrase_is_right_wrong_or_missed(report: Report) -> None:
    assert {row.right + row.wrong + row.missed for row in report.paraphrased} == {len(CITIES)}


def test_the_table_shows_all_of_it(report: Report) -> None:
    text = table(report)
    named = [row.kind for row in report.kinds] + [row.way for row in report.streams]
    assert not [name for name in named if name not in text]
