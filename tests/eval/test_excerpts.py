from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from eval.datasets import BadDataset
from eval.excerpts import read
from tests.retrieval.chunking.real import TEXTS

TEXT = " = Pumps = \n\n The pump is blue . \nname | price\nP-1 | 20\n"


def written(folder: Path) -> Path:
    (folder / "corpora").mkdir()
    (folder / "corpora" / "pumps.md").write_text(TEXT)
    with (folder / "questions_df.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "references", "corpus_id"])
        at = TEXT.index("blue")
        where = [{"content": " blue", "start_index": at - 1, "end_index": at + 4}]
        for number in range(40):
            rows.writerow([f"Which colour has pump {number}?", json.dumps(where), "pumps"])
    return folder


def test_texts_keep_their_places_and_gain_their_form(tmp_path: Path) -> None:
    (document,) = read(written(tmp_path)).documents
    assert document.text == TEXT
    assert [(block.kind, block.level) for block in document.blocks] == [
        ("heading", 1), ("paragraph", 0), ("table", 0), ("table", 0),
    ]  # fmt: skip


def test_excerpts_are_found_where_they_are_said_to_be(shared_data: Path) -> None:
    texts = read((shared_data / TEXTS).parent)
    assert len(texts.questions) == 472
    known = {document.source: document.text for document in texts.documents}
    for question in texts.questions:
        for start, end in question.stretches:
            assert 0 <= start < end <= len(known[question.source])


def test_white_space_around_an_excerpt_is_not_asked_for(tmp_path: Path) -> None:
    at = TEXT.index("blue")
    assert {each.stretches for each in read(written(tmp_path)).questions} == {((at, at + 4),)}


def test_every_question_is_of_one_part(tmp_path: Path) -> None:
    folder = written(tmp_path)
    every = {each.question for each in read(folder).questions}
    tuning = {each.question for each in read(folder, "tuning").questions}
    reporting = {each.question for each in read(folder, "reporting").questions}
    assert tuning | reporting == every
    assert not tuning & reporting
    assert min(len(tuning), len(reporting)) > 10


def test_a_folder_without_texts_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="questions_df"):
        read(tmp_path)
