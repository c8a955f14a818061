"""Which questions of the known sets are for reporting, and which may be tuned on."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.datasets import PARTS, BadDataset, read, read_all


@pytest.mark.parametrize("name", sorted(PARTS))
def test_no_question_is_in_both_parts(shared_data: Path, name: str) -> None:
    test = read(shared_data / name, part="test")
    validation = read(shared_data / name, part="validation")
    assert not {q.id for q in test.questions} & {q.id for q in validation.questions}
    assert test.sha256 == validation.sha256


def test_numbered_questions_are_for_reporting_where_odd(shared_data: Path) -> None:
    asked = read(shared_data / "cranfield", part="test").questions
    assert {int(question.id) % 2 for question in asked} == {1}


def test_no_paragraph_of_the_sample_is_tuned_on(shared_data: Path) -> None:
    def paragraphs(part: str) -> set[str]:
        asked = read(shared_data / "squad_dev_2k", part=part).questions  # type: ignore[arg-type]
        return {name for question in asked for name in question.grades}

    assert not paragraphs("test") & paragraphs("validation")


def test_clapnq_is_read_from_its_own_layout(shared_data: Path) -> None:
    dataset = read(shared_data / "clapnq", part="validation")
    names = {document.source for document in dataset.documents}
    assert len(dataset.questions) == 300
    assert all(set(question.grades) <= names for question in dataset.questions)


def test_all_sets_of_a_folder_are_read(shared_data: Path) -> None:
    assert [one.name for one in read_all(shared_data, limit=1)] == [
        n for n in PARTS if n != "clapnq"
    ]


def test_a_folder_of_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="squad_dev_2k"):
        list(read_all(tmp_path))
