"""The bench of the answer cache measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.bench.cache import NotEnough, measure, table
from tests.servers import redis_server


def test_both_stores_are_measured_beside_numpy_and_the_encoder() -> None:
    with redis_server() as url:
        report = measure([300], 25, url, None, lambda line: None)
    (size,) = report.sizes
    assert {row.name for row in size.rows} == {
        "encoding a question",
        "numpy, all cosines",
        "memory, exact",
        "memory, semantic",
        "Redis, exact",
        "Redis, semantic",
        "encoding, beside hits",
        "memory, whole hit",
        "Redis, whole hit",
    }
    assert size.found_nearest == size.have_near > 0
    assert "300 entries" in table(report)


def test_questions_of_a_file_are_encoded(tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("\n".join(f"How long does shipment {n} take?" for n in range(60)))
    report = measure([30], 30, None, file, lambda line: None)
    assert report.material == "questions.txt"
    assert report.sizes[0].found_nearest == report.sizes[0].have_near > 0
    with pytest.raises(NotEnough):
        measure([31], 30, None, file, lambda line: None)
