"""The measurement runs and adds up; its figures are the machine's."""

from __future__ import annotations

import sys

import orjson
import pytest

from eval.bench.overhead import CASES, measure, table

PACED = [case for case in CASES if case.paced]
AT_ONCE = [case for case in CASES if not case.paced]
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="another process's clock is Linux's own"
)


def test_pass_throughs_are_measured_beside_the_upstream_itself() -> None:
    names = ("direct", "raw", "fastapi")
    report = measure(names, rounds=1, seconds=0.2, cases=AT_ONCE)
    for case in AT_ONCE:
        assert set(report.medians[case.name]) == set(names)
        assert all(seen.per_second > 0 for seen in report.medians[case.name].values())
        assert report.ratios[case.name]["fastapi"] == 1
    assert orjson.loads(report.json())["medians"]["plain c=1"]["raw"]["per_core"] >= 0
    assert "vs fastapi" in table(report)


def test_paced_answers_are_seen_to_their_end() -> None:
    (case,) = PACED
    report = measure(("direct",), rounds=1, seconds=0.2, cases=PACED)
    assert report.medians[case.name]["direct"].per_second > 0
    assert "ms CPU a chunk" in table(report)
