"""Long texts: what is found in them, and extracts beside summaries that people wrote."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from eval.cli import group
from tests.eval.test_retrieval import small


def test_the_suite_finds_answers_in_long_texts_and_holds_extracts_against_summaries(
    shared_data: Path, tmp_path: Path
) -> None:
    summaries = tmp_path / "summaries"
    summaries.mkdir()
    rows = [
        {"doc": f"It rained on ship {n}. The crew slept well.", "original_summary": "It rained."}
        for n in range(4)
    ]
    (summaries / "summedits_small.json").write_text(json.dumps(rows))
    report = tmp_path / "report.json"
    asked = [
        "long",
        "--data",
        str(small(shared_data, tmp_path)),
        "--tokens",
        "4000",
        "--limit",
        "12",
    ]
    more = ["--summaries", str(summaries), "--json", str(report)]
    result = CliRunner().invoke(group, [*asked, *more])
    assert result.exit_code == 0, result.output
    told = json.loads(report.read_text())
    found = told["finding"]
    assert found["recall"]["1000"]["mean"] <= found["recall"]["8000"]["mean"]
    assert found["recall"]["4000"]["mean"] > 0.8
    assert told["summaries"][0]["set"] == "small"
    assert "answered from passages" in result.output
