"""Whether there is an answer: cases that any collection has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.answerable import SIGNS, answerability, answerable, signs
from retrieval.support.reading import read
from retrieval.types import Span
from tests.retrieval.support.passages import hit

SHIPPING = hit(
    "Standard parcels are delivered within two working days. Express parcels arrive on the next "
    "day. Shipping to zone C costs €24.95.",
    "Shipping policy",
    dense=0.62,
)
MANUAL = hit(
    "Error E-417 on the Ballast 500 means that the battery is too cold to charge.",
    "Manual Ballast 500",
    dense=0.7,
)
OTHER = hit("Helmets are sold in three sizes.", "Helmets", score=0.3, dense=0.15)


def test_a_question_in_the_documents_words_is_answerable() -> None:
    question = "How long do standard parcels take to be delivered?"
    assert answerable(question, [SHIPPING, OTHER]) > answerability().strict


def test_a_question_about_something_else_is_not() -> None:
    far = [hit(h.passage.text, h.passage.title, h.score, 0.1) for h in (SHIPPING, OTHER)]
    assert answerable("Who won the cup in 1998?", far) < answerability().lenient


def test_a_code_that_no_passage_has_is_not_answered() -> None:
    known = answerable("What does error E-417 on the Ballast 500 mean?", [MANUAL, OTHER])
    unknown = answerable("What does error E-433 on the Ballast 500 mean?", [MANUAL, OTHER])
    assert unknown < answerability().strict < known


def test_nothing_found_is_certainly_no_answer() -> None:
    assert answerable("Anything?", []) == 0
    assert not answerability().plausible("Anything?", [])


def test_the_threshold_for_asking_a_model_is_the_more_lenient() -> None:
    assert 0 < answerability().lenient < answerability().strict < 1


def test_the_order_of_magnitude_of_scores_does_not_matter() -> None:
    scaled = [hit(h.passage.text, h.passage.title, h.score * 7, h.dense) for h in (MANUAL, OTHER)]
    question = "What does error E-417 mean?"
    assert answerable(question, scaled) == pytest.approx(answerable(question, [MANUAL, OTHER]))


def test_every_sign_has_a_value() -> None:
    assert len(signs(read("What is it?", [SHIPPING]))) == len(signs(read("?", []))) == len(SIGNS)


def test_what_a_reader_marked_in_the_likeliest_sentence_counts() -> None:
    question = "How long do standard parcels take to be delivered?"
    unread = answerable(question, [SHIPPING, OTHER])
    sure = [replace(SHIPPING, answers=(Span(0, 8, 12.0), Span(70, 78, -9.0))), OTHER]
    unsure = [replace(SHIPPING, answers=(Span(0, 8, -12.0), Span(70, 78, 9.0))), OTHER]
    assert answerable(question, unsure) < unread < answerable(question, sure)
