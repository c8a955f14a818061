"""The retrieval suite end to end, on a part of a real data set."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.cli import group
from eval.datasets import read
from eval.metrics import estimate
from eval.suites.retrieval import Row, measured, warnings
from eval.ways import DEFAULT, DENSE, SPARSE
from gateway.config import Config


def small(shared_data: Path, folder: Path) -> Path:
    """The first 60 paragraphs, with the questions on them."""
    source = shared_data / "squad_dev_2k"
    corpus = (source / "corpus.jsonl").read_text().splitlines()[:60]
    names = {json.loads(line)["_id"] for line in corpus}
    header, *qrels = (source / "qrels.tsv").read_text().splitlines()
    kept = [line for line in qrels if line.split("\t")[1] in names]
    (folder / "corpus.jsonl").write_text("\n".join(corpus))
    (folder / "qrels.tsv").write_text("\n".join([header, *kept]))
    (folder / "queries.jsonl").write_text((source / "queries.jsonl").read_text())
    return folder


def test_the_suite_reports_every_way_of_finding(shared_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    data = small(shared_data, tmp_path)
    asked = ["retrieval", "--data", str(data), "--json", str(report), "--limit", "50"]
    result = CliRunner().invoke(group, [*asked, "--cache", str(tmp_path / "cache")])
    assert result.exit_code == 0, result.output
    (told,) = json.loads(report.read_text())
    rows = {row["name"]: row for row in told["rows"]}
    assert {"BM25 alone", "dense alone", "fused (default)", "fused, reciprocal"} <= set(rows)
    assert {"rank-bm25, same terms", "bm25s, as it comes", "MiniLM, whole documents"} <= set(rows)
    assert rows["fused (default)"]["recall_5"]["mean"] > 0.9
    assert rows["fused (default)"]["beside_baseline"]["mean"] == 0
    assert "fused (default)" in result.output


def test_token_vectors_are_a_row_where_they_are_configured(
    shared_data: Path, tmp_path: Path
) -> None:
    config = Config.model_validate({"retrieval": {"token_vectors": True}})
    dataset = read(small(shared_data, tmp_path), 20)
    (report,) = measured([dataset], config, tmp_path / "cache")
    rows = {row.name: row.ndcg_10.mean for row in report.rows}
    assert rows["fused + token vectors"] != rows["fused (default)"]
    assert rows["fused + token vectors"] > 0.9


@pytest.mark.slow
@pytest.mark.skipif("SLOW" not in os.environ, reason="takes minutes; SLOW=1 runs it")
def test_the_default_finds_what_it_promises(shared_data: Path, tmp_path: Path) -> None:
    (report,) = measured([read(shared_data / "squad_dev_2k")], Config(), tmp_path)
    (default,) = (row for row in report.rows if row.name == "fused (default)")
    assert default.recall_5.mean >= 0.96
    assert default.ndcg_10.mean >= 0.90


def test_a_half_that_is_better_alone_is_warned_of() -> None:
    def row(name: str, value: float) -> Row:
        same = estimate([value])
        return Row(name, same, same, same, same, same, None)

    rows = [row(SPARSE, 0.4), row(DENSE, 0.6), row(DEFAULT, 0.5)]
    (warning,) = warnings(rows)
    assert "dense alone" in warning
    assert "moorline tune retrieval" in warning


def test_a_folder_without_a_data_set_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["retrieval", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "corpus.jsonl" in result.output
