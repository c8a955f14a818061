"""A user's own judged pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.train.reranker.own import BadPairs, own


def written(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


RIGHT: dict[str, Any] = {
    "question": "How long?",
    "text": "It lasts two years.",
    "label": 1,
    "answer": "two years",
}
WRONG: dict[str, Any] = {"question": "How long?", "text": "It is blue.", "label": 0}


def test_a_question_has_its_right_and_its_wrong_texts(tmp_path: Path) -> None:
    collection = own(written(tmp_path, RIGHT, WRONG))
    (asked,) = collection.asked
    assert [collection.text(place) for place in asked.right] == ["It lasts two years."]
    assert [collection.text(place) for place in asked.wrong] == ["It is blue."]


def test_an_answer_is_found_in_its_text(tmp_path: Path) -> None:
    (asked,) = own(written(tmp_path, RIGHT)).asked
    ((start, end),) = asked.spans[asked.right[0]]
    assert RIGHT["text"][start:end] == "two years"


def test_a_text_is_kept_once(tmp_path: Path) -> None:
    collection = own(written(tmp_path, RIGHT, {**RIGHT, "question": "For how long?"}))
    assert len(collection.passages) == 1
    assert len(collection.asked) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"question": "How long?", "label": 1}, "line 1: question, text and label are needed"),
        ({**RIGHT, "label": "yes"}, "line 1: question, text and label are needed"),
        ({**RIGHT, "answer": "three years"}, "'three years' does not stand in the text"),
        (WRONG, "no question with a text of label 1"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, line: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPairs, match=said):
        own(written(tmp_path, line))
