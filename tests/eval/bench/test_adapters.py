from __future__ import annotations

from eval.bench.adapters import measure, table


def test_adapters_are_looked_over_beside_their_headers() -> None:
    report = measure(adapters=4, rank=1)
    assert report.tensors == 448
    assert report.check > 0
    assert report.header > 0
    assert "4 adapters of 448 tensors" in table(report)
