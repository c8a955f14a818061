"""Questions made of statements ask for what stands there, and never say it."""

from __future__ import annotations

import random

from eval.train.reranker.clozes import Cloze, cloze

TEXT = (
    "The football league was founded in 1962 by John Hill and Mary Stone. "
    "It had twelve clubs from the northern counties. Yes."
)


def asked() -> list[Cloze]:
    dice = random.Random(7)
    return [found for _ in range(200) if (found := cloze(TEXT, dice))]


def test_names_numbers_and_phrases_are_asked_for() -> None:
    answers = {TEXT[slice(*each.answer)] for each in asked()}
    assert {"1962", "John Hill", "football league", "northern counties"} <= answers
    assert "Yes" not in answers
    assert "It" not in answers


def test_an_answer_stands_in_its_sentence() -> None:
    for each in asked():
        assert each.sentence[0] <= each.answer[0] < each.answer[1] <= each.sentence[1]


def test_the_question_does_not_say_its_answer() -> None:
    for each in asked():
        assert TEXT[slice(*each.answer)] not in each.question


def test_the_question_word_suits_what_is_asked_for() -> None:
    when = [each.question for each in asked() if TEXT[slice(*each.answer)] == "1962"]
    assert when
    assert all("when" in question or "wh" in question for question in when)
    assert any(question.startswith("when") for question in when)


def test_a_text_without_statements_gives_none() -> None:
    assert cloze("", random.Random(1)) is None
    assert cloze("See below.", random.Random(1)) is None


def test_the_same_dice_give_the_same_questions() -> None:
    assert asked() == asked()
