"""Metrics against values worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from eval.datasets import BadDataset, read
from eval.metrics import estimate, ndcg, recall, reciprocal_rank

RANKED = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("grades", "k", "expected"),
    [
        ({"a": 1}, 1, 1.0),
        ({"b": 1}, 1, 0.0),
        ({"b": 1, "z": 1}, 4, 0.5),
        ({"b": 2, "c": 1, "d": 0}, 3, 1.0),
    ],
)
def test_recall_is_the_share_found(grades: dict[str, int], k: int, expected: float) -> None:
    assert recall(RANKED, grades, k) == expected


@pytest.mark.parametrize(
    ("grades", "k", "expected"),
    [({"a": 1}, 10, 1.0), ({"c": 1, "d": 1}, 10, 1 / 3), ({"c": 1}, 2, 0.0), ({"a": 0}, 10, 0.0)],
)
def test_reciprocal_rank_looks_at_the_first(
    grades: dict[str, int], k: int, expected: float
) -> None:
    assert reciprocal_rank(RANKED, grades, k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("grades", "k", "expected"),
    [
        ({"a": 1}, 10, 1.0),
        ({"b": 1}, 10, 1 / math.log2(3)),
        ({"a": 1, "c": 1}, 10, 1.5 / (1 + 1 / math.log2(3))),
        ({"a": 1, "b": 3}, 10, (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))),
        ({"a": 3, "b": 1}, 10, 1.0),
        ({"z": 1}, 10, 0.0),
        ({"c": 1}, 2, 0.0),
    ],
)
def test_ndcg_is_a_share_of_the_best_order(grades: dict[str, int], k: int, expected: float) -> None:
    assert ndcg(RANKED, grades, k) == pytest.approx(expected)


def test_an_interval_holds_the_mean_and_narrows_with_the_sample() -> None:
    few, many = estimate([0.0, 1.0] * 20), estimate([0.0, 1.0] * 2000)
    assert few.low < few.mean == 0.5 == many.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    # The standard error of 40 coin tosses is 0.079; 1.96 of them on each side.
    assert few.high - few.low == pytest.approx(4 * 0.079 * 0.98, rel=0.15)


def test_an_interval_is_the_same_each_time() -> None:
    assert estimate([0.1, 0.5, 0.9]) == estimate([0.1, 0.5, 0.9])


def test_an_interval_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        estimate([])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "T", "text": "first"}\n{"_id": "d2", "text": "second"}\n'
    )
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "one?", "answers": ["first"]}\n{"_id": "q2", "text": "two?"}\n'
        '{"_id": "q3", "text": "three?"}\n{"_id": "q4", "text": "four?"}\n'
    )
    (tmp_path / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq3\td1\t0\nq4\td1\t1\n"
    )
    return tmp_path


def test_a_data_set_is_read(folder: Path) -> None:
    dataset = read(folder)
    assert [(d.source, d.title, d.text) for d in dataset.documents] == [
        ("d1", "T", "first"),
        ("d2", "", "second"),
    ]
    assert [(q.id, q.grades) for q in dataset.questions] == [
        ("q1", {"d1": 1}),
        ("q2", {"d2": 2}),
        ("q4", {"d1": 1}),
    ]
    assert dataset.questions[0].answers == ("first",)


def test_a_set_without_a_rule_has_no_parts(folder: Path) -> None:
    assert read(folder).part == "all"
    with pytest.raises(BadDataset, match="No rule"):
        read(folder, part="test")


def test_the_digest_changes_with_the_data(folder: Path) -> None:
    before = read(folder).sha256
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t1\n")
    assert read(folder).sha256 != before


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "qrels.tsv").unlink()
    with pytest.raises(BadDataset, match=r"qrels\.tsv"):
        read(folder)
