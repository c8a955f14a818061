"""What the reader is trained on keeps to the rules of the data sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.datasets import read
from eval.train.reranker.material import (
    Collection,
    code_searched,
    documented,
    encyclopedia,
    judged_sentences,
    part_of,
    scientific,
    squad_training,
)


def count(text: str) -> int:
    return 2 + len(text) // 4


@pytest.mark.parametrize(
    ("name", "number", "part"),
    [
        ("scifact", 1, "test"),
        ("scifact", 2, "training"),
        ("scifact", 4, "validation"),
        ("cisi", 75, "test"),
        ("cosqa_ir", 1, "training"),
        ("cosqa_ir", 2, "test"),
        ("cosqa_ir", 3, "validation"),
    ],
)
def test_numbers_say_which_part_a_question_belongs_to(name: str, number: int, part: str) -> None:
    assert part_of(name, number) == part


@pytest.mark.parametrize("name", ["cranfield", "cisi"])
def test_odd_questions_are_for_reporting_only(shared_data: Path, name: str) -> None:
    collection = scientific(shared_data, name, count)
    tested = {question.text for question in read(shared_data / name, part="test").questions}
    assert len(tested) > 30
    assert tested == {a.text for a in collection.asked if a.part == "test"}
    assert not tested & {a.text for a in collection.asked if a.part != "test"}


def test_even_rows_of_cosqa_are_for_reporting_only(shared_data: Path) -> None:
    collection = code_searched(shared_data, count)
    tested = {question.text for question in read(shared_data / "cosqa_ir", part="test").questions}
    assert tested == {a.text for a in collection.asked if a.part == "test"}


def test_nothing_of_the_sample_is_among_squads_passages(shared_data: Path) -> None:
    collection = squad_training(shared_data, count)
    sample = read(shared_data / "squad_dev_2k")
    tested = {name for question in sample.questions for name in question.grades}
    assert not tested & {passage.document for passage in collection.passages}


def test_no_article_of_squad_is_on_both_sides(shared_data: Path) -> None:
    collection = squad_training(shared_data, count)
    titles: dict[str, set[str]] = {"training": set(), "validation": set()}
    for asked in collection.asked:
        titles[asked.part].add(collection.passages[asked.right[0]].title)
    assert titles["validation"]
    assert not titles["training"] & titles["validation"]


def answers(collection: Collection) -> list[str]:
    return [
        collection.text(place)[start:end]
        for asked in collection.asked
        for place, spans in asked.spans.items()
        for start, end in spans[:1]
    ]


def test_answers_stand_where_they_are_said_to_stand(shared_data: Path) -> None:
    found = answers(squad_training(shared_data, count))
    given = {
        answer
        for line in (shared_data / "squad/dev-v1.1.queries.jsonl").read_text().splitlines()
        for answer in json.loads(line)["answers"]
    }
    assert len(found) > 3000
    assert all(answer in given for answer in found)


def test_judged_sentences_come_with_right_and_wrong_ones(shared_data: Path) -> None:
    collection = judged_sentences(shared_data)
    assert all(asked.right and asked.wrong for asked in collection.asked)


def test_questions_of_several_sets_share_one_collection(shared_data: Path) -> None:
    collection = encyclopedia(shared_data, count)
    assert {passage.document.split()[0] for passage in collection.passages} == {
        "boolq",
        "clapnq",
        "halueval",
    }


MODULE = '''
def half(number):
    """Divide a number by two and return it.

    Twice is another matter."""
    return number / 2
'''


def test_a_function_is_asked_for_by_what_it_says_first() -> None:
    ((summary, source, stripped),) = documented(MODULE)
    assert summary == "Divide a number by two and return it"
    assert summary in source
    assert stripped == "def half(number):\n    return number / 2"


def test_a_module_that_is_not_python_has_no_functions() -> None:
    assert list(documented("def (")) == []
