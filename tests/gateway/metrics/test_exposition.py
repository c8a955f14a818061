"""Prometheus' text format, held against its grammar."""

from __future__ import annotations

import re

from gateway.metrics import process
from gateway.metrics.exposition import Family, Histogram, Sample, counter, gauge, page

LINE = re.compile(r'[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"(,[a-z]+="([^"\\\n]|\\.)*")*\})? [-+.e0-9]+')


def test_a_family_has_its_help_its_type_and_its_samples() -> None:
    family = Family("a_total", "counter", "Some.", (Sample(1), Sample(0.5, (("b", "c"),))))
    assert (
        page([family])
        == '# HELP a_total Some.\n# TYPE a_total counter\na_total 1\na_total{b="c"} 0.5\n'
    )


def test_a_family_without_samples_is_left_out() -> None:
    assert page([Family("a_total", "counter", "Some.")]) == ""


def test_labels_are_escaped() -> None:
    told = page([gauge("a", "Some.", 1, b='say "hi"\\\n')]).splitlines()[-1]
    assert told == r'a{b="say \"hi\"\\\n"} 1'


def test_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((10, 20))
    for ms in (10, 10.5, 99):
        histogram.observe(ms)
    counts = [(s.suffix, dict(s.labels).get("le"), s.value) for s in histogram.samples()]
    assert counts == [
        ("_bucket", "0.01", 1),
        ("_bucket", "0.02", 2),
        ("_bucket", "+Inf", 3),
        ("_sum", None, 0.1195),
        ("_count", None, 3),
    ]


def test_every_line_of_the_process_is_well_formed() -> None:
    told = page([*process.families(), counter("a_total", "Some.", 1e-7), gauge("b", "Some.", 1e20)])
    for line in told.splitlines():
        assert line.startswith("# ") or LINE.fullmatch(line), line
    assert "process_cpu_seconds_total" in told
