"""`moorline eval routing` on outcomes in RouteLLM's layout."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.suites.routing import command
from eval.train.router.outcomes import CHEAP, STRONG


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    """Of questions on six subjects; the cheap model fails at the long ones."""
    evals = tmp_path / "routellm" / "evals"
    for name in ("mmlu/responses", "gsm8k"):
        (evals / name).mkdir(parents=True)
    for name in ("mmlu", "gsm8k"):
        (evals / name / "contaminated_prompts.jsonl").write_text("")
    files = [evals / "mmlu" / "responses" / f"mmlu_{letter}.csv" for letter in "abcdef"]
    for file in (*files, evals / "gsm8k" / "gsm8k_responses.csv"):
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(["prompt", CHEAP, STRONG])
            for number in range(10):
                rows.writerow([f"How long is {file.stem} {number}?", True, True])
                rows.writerow([f"How long is {file.stem} {number}, and why? " * 5, False, True])
    return tmp_path


def test_the_packaged_model_is_measured_on_what_is_for_reporting(
    outcomes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    given = ["--data", str(outcomes), "--no-refit", "--cache", str(tmp_path), "--json", str(out)]
    told = CliRunner().invoke(command, given, catch_exceptions=False)
    assert told.exit_code == 0
    report = json.loads(out.read_text())
    rows = {(row["questions"], row["router"]): row["figures"] for row in report["rows"]}
    assert {router for _, router in rows} == {"random", "length", "this model"}
    by_length = rows["MMLU, test subjects", "length"]
    assert by_length["apgr"]["n"] == 40  # two of six subjects
    assert by_length["keep95"]["mean"] == 0.45
    assert {promise["floor"] for promise in report["promises"]} == {0.95, 0.98}


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    told = CliRunner().invoke(command, ["--data", str(tmp_path), "--cache", str(tmp_path)])
    assert told.exit_code == 1
    assert "no copy of RouteLLM" in told.output
