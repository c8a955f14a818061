"""The bench of memory, over a folder that is small."""

from __future__ import annotations

import json

from eval.bench.memory import Folder, measure, table
from retrieval.sources.types import Listing


def test_the_curve_rises_with_the_folder() -> None:
    told: list[str] = []
    report = measure(megabytes=0.1, kilobytes=10, told=told.append)
    assert report.documents == 10
    assert report.passages > 50
    assert report.before.own > 0
    assert report.curve[-1].ingested == 0.1
    assert report.curve[-1].passages == report.passages
    assert len(told) == len(report.curve)
    assert json.loads(report.json())["peak"] == report.peak >= report.before.own
    assert "100 passages" in table(report) or f"{report.passages} passages" in table(report)


def test_a_document_is_made_up_alike_whenever_it_is_read() -> None:
    one, other = (list(Folder(3, 5).items(Listing())) for _ in range(2))
    assert [item.read() for item in one] == [item.read() for item in other]
    assert one[0].read() != one[1].read()
    assert len(one[0].read()) == one[0].size == 5000
