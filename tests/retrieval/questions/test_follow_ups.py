"""Follow-up questions made stand-alone, and those that are left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from eval.datasets import read
from retrieval.questions.follow_ups import Turn, leans, stand_alone


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        (
            "What is the VAT rate in Germany?",
            "and in France?",
            "What is the VAT rate in France?",
        ),
        (
            "How much does shipping to Norway take?",
            "to Sweden?",
            "How much does shipping to Sweden take?",
        ),
        (
            "When was Harvard founded?",
            "How about Yale?",
            "When was Yale founded?",
        ),
        (
            "What is the fee for adults?",
            "What about children?",
            "What is the fee for adults children?",
        ),
        (
            "What is the warranty of the pump?",
            "How long does it last?",
            "How long does the warranty of the pump last?",
        ),
        (
            "What is the capital of France?",
            "What is its population?",
            "What is the capital of France's population?",
        ),
        (
            "What is the travel policy?",
            "Who approves it?",
            "Who approves the travel policy?",
        ),
        (
            "How do I return a product?",
            "What about it?",
            "How do I return a product?",
        ),
        (
            "Who was Tesla?",
            "Where did he live?",
            "Where did Tesla live?",
        ),
        (
            "Which pumps are there?",
            "How much does the second cost?",
            "Which pumps are there: How much does the second cost?",
        ),
        (
            "Wie hoch ist die Mehrwertsteuer in Deutschland?",
            "Und in Frankreich?",
            "Wie hoch ist die Mehrwertsteuer in Frankreich?",
        ),
    ],
)
def test_what_is_left_unsaid_comes_from_the_question_before(
    before: str, question: str, expected: str
) -> None:
    assert stand_alone(question, [Turn(before)]) == expected


def test_a_person_may_be_named_by_the_answer() -> None:
    earlier = [Turn("Who wrote Faust?", "Goethe wrote Faust [1].")]
    assert stand_alone("When was he born?", earlier) == "When was Goethe born?"


def test_a_chain_of_follow_ups_leads_back_to_what_was_asked() -> None:
    earlier = [Turn("What is the VAT rate in Germany?"), Turn("and in France?")]
    assert stand_alone("And in Spain?", earlier) == "What is the VAT rate in Spain?"


@pytest.mark.parametrize(
    "question",
    [
        "What did Tesla do after he left Edison?",
        "How long does it take to get a refund?",
        "Is it possible to return a product?",
        "What are those who teach called?",
        "Is there a warranty on the pump?",
        "What is one problem with pumps?",
        "Who was the second president of the United States?",
        "",
    ],
)
def test_what_stands_on_its_own_is_left_alone(question: str) -> None:
    assert stand_alone(question, [Turn("What is the VAT rate in Germany?")]) == question


def test_without_an_earlier_question_nothing_is_changed() -> None:
    assert stand_alone("and in France?", []) == "and in France?"
    assert stand_alone("and in France?", [Turn("?")]) == "and in France?"


def test_real_questions_after_others_are_left_alone(shared_data: Path) -> None:
    asked = [question.text for question in read(shared_data / "squad_dev_2k").questions]
    chosen = random.Random(13)
    changed = [q for q in asked if stand_alone(q, [Turn(chosen.choice(asked), "Two years.")]) != q]
    assert len(changed) <= len(asked) // 100


@pytest.mark.parametrize("text", ["and " * 50_000, "it " * 50_000, "A " * 50_000, "in " * 50_000])
def test_a_long_text_is_no_follow_up(text: str) -> None:
    assert not leans(text)
    assert stand_alone("and it?", [Turn(text)]) == "and it?"
