"""The suite over chunkers: what counts as read, and the whole of it on a part of the real texts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.cli import group
from eval.excerpts import Excerpts
from eval.suites.chunking import answered, up_to
from tests.retrieval.chunking.real import TEXTS

QUESTION = Excerpts("?", "a", ((10, 20), (30, 40)))


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([("a", (0, 50))], 1.0),
        ([("a", (10, 20)), ("a", (28, 41))], 1.0),
        ([("a", (10, 15)), ("a", (15, 20)), ("a", (30, 40))], 1.0),
        ([("a", (10, 20))], 0.0),
        ([("a", (10, 20)), ("a", (31, 40))], 0.0),
        ([("b", (0, 50))], 0.0),
        ([], 0.0),
    ],
)
def test_an_answer_is_read_where_all_excerpts_are_read_whole(
    stretches: list[tuple[str, tuple[int, int]]], expected: float
) -> None:
    assert answered(QUESTION, stretches) == expected


def test_reading_ends_with_the_budget() -> None:
    found = [("a", (0, 100)), ("b", (0, 100)), ("c", (0, 100))]
    assert up_to(150, found, [100, 100, 100]) == [("a", (0, 100)), ("b", (0, 50))]
    assert up_to(100, found, [100, 100, 100]) == [("a", (0, 100))]


def test_the_suite_compares_chunkers(shared_data: Path, tmp_path: Path) -> None:
    source = (shared_data / TEXTS).parent
    (tmp_path / "corpora").mkdir()
    text = (source / "corpora" / "wikitexts.md").read_text()[:12_000]
    (tmp_path / "corpora" / "wikitexts.md").write_text(text)
    with (source / "questions_df.csv").open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["corpus_id"] == "wikitexts"
            and all(each["end_index"] < 12_000 for each in json.loads(row["references"]))
        ]
    with (tmp_path / "questions_df.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    report = tmp_path / "report.json"
    arguments = ["chunking", "--data", str(tmp_path), "--questions", "all", "--json", str(report)]
    arguments += ["--only", "fixed", "--only", "sections (default)"]
    arguments += ["--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    fixed, sections = json.loads(report.read_text())["rows"]
    assert fixed["answers"]["mean"] > 0.5
    assert sections["answers"]["mean"] > 0.5
    assert fixed["margin"]["1200"]["mean"] == 0
