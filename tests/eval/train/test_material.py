"""Training material keeps away from the test parts."""

from __future__ import annotations

from pathlib import Path

from eval.datasets import read
from eval.train.material import clapnq, off_topic, squad


def test_no_paragraph_with_a_question_of_the_sample_is_for_training(shared_data: Path) -> None:
    world = squad(shared_data)
    sample = read(shared_data / "squad_dev_2k")
    asked = {question.text for question in sample.questions}
    tested = {name for question in sample.questions for name in question.grades}
    training = (*world.training, *world.adversarial_training)
    assert len(world.training) > 700
    assert not tested.intersection(paragraph.name for paragraph in training)
    shared = asked.intersection(q.text for paragraph in training for q in paragraph.questions)
    assert len(shared) <= 2  # asked word for word of two paragraphs


def test_the_parts_are_all_of_the_set(shared_data: Path) -> None:
    world = squad(shared_data)
    assert len(world.documents) == 2067
    assert len(world.adversarial_training) + len(world.adversarial_test) == 1204


def test_off_topic_questions_of_training_and_test_differ(shared_data: Path) -> None:
    assert not set(off_topic(shared_data, "train")) & set(off_topic(shared_data, "test"))


def test_clapnq_has_questions_with_and_without_an_answer(shared_data: Path) -> None:
    questions = [q for paragraph in clapnq(shared_data) for q in paragraph.questions]
    answered = sum(bool(q.answers) for q in questions)
    assert len(questions) == 600
    assert 290 <= answered <= 300
