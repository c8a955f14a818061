"""The bench of a fleet runs and tells what it measured."""

from __future__ import annotations

from eval.bench.fleet import REPLICAS, measure, table


def test_every_subject_is_measured_and_told() -> None:
    report = measure(adapters=20, calls=3, rounds=1)
    assert [row.subject for row in report.rows][1:] == [f"fleet of {n}" for n in REPLICAS]
    assert all(row.call > 0 for row in report.rows)
    assert "plain provider" in table(report)
