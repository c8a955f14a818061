"""Outcomes of two models on the same questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.train.router.outcomes import (
    BadOutcomes,
    Outcome,
    gsm8k,
    mmlu,
    mt_bench,
    own,
)


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_of_scores_are_read(tmp_path: Path) -> None:
    file = lines(tmp_path / "own.jsonl", {"question": "Why?", "cheap": 0.5, "strong": 1})
    assert own(file) == [Outcome("Why?", 0.5, 1.0, "")]


def test_scores_of_named_models_meet_by_question_and_repeated_ones_are_averaged(
    tmp_path: Path,
) -> None:
    file = lines(
        tmp_path / "own.jsonl",
        {"question": "Why?", "model": "small", "score": 0},
        {"question": "Why?", "model": "small", "score": 1},
        {"question": "Why?", "model": "large", "score": 1},
        {"question": "How?", "model": "large", "score": 0.25, "subject": "works"},
        {"question": "How?", "model": "another", "score": 1},
    )
    assert own(file, "small", "large") == [
        Outcome("Why?", 0.5, 1.0, ""),
        Outcome("How?", None, 0.25, "works"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Why?"},
        {"question": "Why?", "cheap": 1},
        {"question": "Why?", "cheap": 7, "strong": 9},
        {"question": "Why?", "model": "small"},
        {"question": "Why?", "model": "small", "score": "good"},
    ],
)
def test_a_line_that_says_too_little_is_named(tmp_path: Path, row: dict[str, Any]) -> None:
    file = lines(tmp_path / "own.jsonl", {"question": "So?", "cheap": 1, "strong": 1}, row)
    with pytest.raises(BadOutcomes, match="line 2"):
        own(file, "small", "large")


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text("{\n")
    with pytest.raises(BadOutcomes, match="line 1"):
        own(tmp_path / "own.jsonl")


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOutcomes, match="no copy of RouteLLM"):
        mmlu(tmp_path)


def test_public_outcomes_are_as_many_as_published_and_parts_share_no_subject(
    shared_data: Path,
) -> None:
    folder = shared_data / "routellm"
    whole, train, test = (mmlu(folder, part) for part in (None, "train", "test"))
    assert len(whole) == 13_932
    assert len({each.subject for each in train}) == 38
    assert len({each.subject for each in test}) == 19
    assert min(each.subject for each in test) > max(each.subject for each in train)
    assert len(gsm8k(folder)) == 1307
    assert len(mt_bench(folder)) == 72
