"""`moorline train` says what it needs before it begins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.train.cli import group


def test_data_or_pairs_are_needed(tmp_path: Path) -> None:
    told = CliRunner().invoke(group, ["reranker", "--out", str(tmp_path)])
    assert told.exit_code == 2
    assert "Give --data or --pairs." in told.output


def test_without_torch_it_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "eval.train.reranker.run", raising=False)
    (tmp_path / "pairs.jsonl").write_text("{}")
    given = ["reranker", "--pairs", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(group, given)
    assert told.exit_code == 1
    assert "moorline[train]" in told.output


def test_the_command_is_there_without_torch() -> None:
    told = CliRunner().invoke(group, ["reranker", "--help"])
    assert told.exit_code == 0
    assert "--pairs" in told.output


def test_a_router_is_trained_on_public_outcomes_or_on_ones_own(tmp_path: Path) -> None:
    told = CliRunner().invoke(group, ["router", "--out", str(tmp_path)])
    assert told.exit_code == 2
    assert "Give --data or --outcomes." in told.output


def test_a_router_without_lightgbm_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    for module in ("run", "fitting"):
        monkeypatch.delitem(sys.modules, f"eval.train.router.{module}", raising=False)
    (tmp_path / "own.jsonl").write_text("")
    given = ["router", "--outcomes", str(tmp_path / "own.jsonl"), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(group, given)
    assert told.exit_code == 1
    assert "Training needs lightgbm" in told.output
