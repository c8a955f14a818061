from __future__ import annotations

from eval.bench.registry import measure, table


def test_naming_an_adapter_is_measured_beside_naming_a_model() -> None:
    report = measure(adapters=12, rounds=1)
    assert 0 < report.look_up < report.resolve
    assert report.place > 0
    assert "12 adapters, 4 replicas" in table(report)
