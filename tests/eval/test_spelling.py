"""Names misspelt by a seed, and what looking for them as they are meant gains."""

from __future__ import annotations

import json
import random
from pathlib import Path

from click.testing import CliRunner
from rapidfuzz.distance import OSA

from eval.cli import group
from eval.misspelling import misspelt
from tests.eval.test_retrieval import small


def test_a_name_has_an_edit_or_two_and_the_rest_is_as_it_was() -> None:
    question = "Where did Beyonce Knowles first meet Madonna?"
    for seed in range(100):
        error = misspelt(question, random.Random(seed))
        assert error is not None
        assert error.meant in ("Beyonce", "Knowles", "Madonna")
        assert 1 <= OSA.distance(error.meant, error.written) <= 2
        assert error.written[0] == error.meant[0]
        assert error.text == question.replace(error.meant, error.written)
    assert misspelt(question, random.Random(1)) == misspelt(question, random.Random(1))


def test_a_question_without_a_name_has_none_misspelt() -> None:
    assert misspelt("Where is the pump of it?", random.Random(1)) is None


def test_the_suite_reports_gain_and_harm(shared_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    asked = ["spelling", "--data", str(small(shared_data, tmp_path)), "--json", str(report)]
    cache = ["--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(group, [*asked, *cache, "--limit", "50"])
    assert result.exit_code == 0, result.output
    told = json.loads(report.read_text())
    rows = {(row["questions"], row["spelling"]): row for row in told["rows"]}
    assert rows["as they are", True]["ndcg_10_gain"]["mean"] >= -0.01
    erring = rows["a name misspelt", True]
    assert erring["as_meant"] > erring["ndcg_10"]["n"] / 2
    assert erring["ndcg_10_gain"]["mean"] > -0.02  # so few documents are found anyway
    assert "a name misspelt" in result.output
