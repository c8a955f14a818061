"""The comparison of ingestion with the encoder alone, over a few passages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench.ingest import NothingToMeasure, measure, table


def test_both_work_on_the_same_passages(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.md").write_text(f"# Text {number}\n\nOf a few words.")
    (tmp_path / "bad.pdf").write_bytes(b"not a PDF")
    told: list[str] = []
    report = measure([str(tmp_path)], rounds=1, limit=100, told=told.append)
    assert (report.passages, told) == (3, ["1 of 1 rounds, 3 passages"])
    assert report.ratio == report.encoder.wall / report.ingestion.wall > 0
    assert json.loads(report.json())["ratio"] == report.ratio
    assert "3 passages" in table(report)


def test_a_bench_without_passages_says_so(tmp_path: Path) -> None:
    with pytest.raises(NothingToMeasure):
        measure([str(tmp_path)], rounds=1, limit=100, told=print)
