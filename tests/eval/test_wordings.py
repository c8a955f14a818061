"""How wordings that nobody wrote for it change what a search finds."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from eval.cli import group
from tests.eval.test_retrieval import small


def test_the_suite_tells_the_best_and_the_worst_of_wordings(
    shared_data: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    asked = ["wordings", "--data", str(small(shared_data, tmp_path)), "--json", str(report)]
    cache = ["--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(group, [*asked, *cache, "--limit", "40"])
    assert result.exit_code == 0, result.output
    rows = {row["wordings"]: row for row in json.loads(report.read_text())["rows"]}
    plain = rows["none"]["ndcg_10"]["mean"]
    assert rows["none"]["ndcg_10_gain"]["mean"] == 0
    assert rows["3 on something else"]["ndcg_10"]["mean"] > plain - 0.1
    assert rows["up to 3 on the same"]["ndcg_10"]["mean"] >= plain
    assert "one on something else" in result.output
