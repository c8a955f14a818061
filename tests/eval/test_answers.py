"""The answers suite: its comparisons, and end to end on a part of a real data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.cli import group
from eval.likeness import normalised
from eval.suites.answers import abstention, contains
from tests.eval.test_retrieval import small


def test_answers_are_compared_as_squad_compares_them() -> None:
    assert normalised("The Dr.'s  fee, €5!") == "drs fee €5"
    assert contains("It was in the Year 1884.", ["1884"])
    assert not contains("It was in 18845.", ["1884", ""])


def test_the_share_that_is_caught_goes_with_the_share_that_is_lost() -> None:
    told = abstention("x", [n / 100 for n in range(100)], [0.05, 0.07, 0.5, 0.02])
    assert told.caught.mean == 0.75
    assert told.auroc == pytest.approx(0.835, abs=0.01)


def test_the_suite_quotes_verbatim_and_abstains(shared_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    data = small(shared_data, tmp_path)
    squad = str(shared_data / "squad" / "dev-v2.0.json")
    clinc = str(shared_data / "clinc_oos" / "data_full.json")
    result = CliRunner().invoke(
        group,
        [
            *("answers", "--data", str(data), "--limit", "40", "--json", str(report)),
            *("--unanswerable", squad, "--off-topic", clinc),
        ],
    )
    assert result.exit_code == 0, result.output
    told = json.loads(report.read_text())
    assert told["verbatim"]["mean"] == 1.0
    assert told["quotes"] > 30
    assert told["rows"][0]["contains"]["mean"] > 0.6
    caught = {each["name"]: each["caught"]["mean"] for each in told["abstentions"]}
    assert caught["off topic (CLINC-150)"] > 0.8
    assert "adversarial (SQuAD 2.0)" in caught
