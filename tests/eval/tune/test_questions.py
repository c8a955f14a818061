"""Questions to tune by: read, or made of passages."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.tune.questions import BadQuestions, Wanted, made, read
from gateway.searching import Sampled

TEXT = "The pump has a warranty of two years. Its hose must be cleaned with water every month."


def file(folder: Path, *lines: str) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_a_question_names_one_document_several_or_grades(tmp_path: Path) -> None:
    found = read(
        file(
            tmp_path,
            '{"question": "a", "document": "x"}',
            "",
            '{"question": "b", "documents": ["x", "y"]}',
            '{"question": "c", "documents": {"x": 2, "y": 0}}',
        )
    )
    assert found == [
        Wanted("a", {"x": 1}),
        Wanted("b", {"x": 1, "y": 1}),
        Wanted("c", {"x": 2}),
    ]


@pytest.mark.parametrize(
    "line",
    ["no JSON", '{"question": "a"}', '{"question": 1, "document": "x"}', "[]", '{"documents": []}'],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadQuestions, match="line 2"):
        read(file(tmp_path, '{"question": "a", "document": "x"}', line))


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadQuestions, match="no question"):
        read(file(tmp_path, ""))


def test_made_questions_are_sentences_left_out_and_keywords_in_turn() -> None:
    sample = [Sampled(f"p{n}", f"d{n}", TEXT, siblings=3) for n in range(4)]
    found = list(made(sample))
    assert [one.kind for one in found] == ["keywords", "sentence", "keywords", "sentence"]
    assert [one.without for one in found] == [None, "p1", None, "p3"]
    assert found[1].text in TEXT
    assert all(word in TEXT.lower() for word in found[0].text.split())


def test_the_only_passage_of_a_document_is_not_left_out() -> None:
    sample = [Sampled(f"p{n}", f"d{n}", TEXT, siblings=0) for n in range(2)]
    assert {one.kind for one in made(sample)} == {"keywords"}


def test_a_passage_without_a_sentence_makes_no_question() -> None:
    assert list(made([Sampled("p", "d", "Yes. No.", siblings=1)])) == []
