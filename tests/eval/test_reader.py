"""The reader suite: its comparisons, and end to end on a part of a real data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.cli import group
from eval.likeness import overlap
from tests.eval.test_retrieval import small


def test_overlap_counts_words_as_squad_does() -> None:
    assert overlap("the old Red Mill", "Red Mill.") == pytest.approx(0.8)
    assert overlap("blue", "red") == 0.0


def test_the_suite_reports_answers_and_what_is_held_back(shared_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    asked = ["reader", "--data", str(small(shared_data, tmp_path)), "--limit", "6"]
    squad = str(shared_data / "squad" / "dev-v2.0.json")
    result = CliRunner().invoke(group, [*asked, "--unanswerable", squad, "--json", str(report)])
    assert result.exit_code == 0, result.output
    told = json.loads(report.read_text())
    rows = {row["name"]: row for row in told["rows"]}
    assert all(row["verbatim"]["mean"] == 1.0 for row in rows.values())
    assert all(row["f1"]["mean"] >= row["exact"]["mean"] for row in rows.values())
    assert rows["gold paragraph given, as quoted"]["sentence"]["mean"] > 0.7
    (squad_2,) = told["abstentions"]
    assert (squad_2["with_answer"], squad_2["without_answer"]) == (6, 6)
    assert len(squad_2["curves"]) == 3
    assert "found, as quoted" in result.output
