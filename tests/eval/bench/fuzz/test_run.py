from __future__ import annotations

from pathlib import Path

from eval.bench.fuzz.report import table
from eval.bench.fuzz.run import Order, State, run
from eval.bench.fuzz.worker import Verdict


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    told: list[int] = []
    only = ("plain text", "JSON")
    first = run(Order([], tmp_path, 30, only=only), lambda state: told.append(state.done))
    again = run(Order([], tmp_path, 40, only=only), lambda state: told.append(state.done))
    whole = run(Order([], tmp_path / "whole", 40, only=only), lambda state: None)
    assert (first.done, again.done) == (30, 40)
    assert again.passed
    outcomes = [{f: t.outcomes for f, t in state.tallies.items()} for state in (again, whole)]
    assert outcomes[0] == outcomes[1]


def test_another_seed_begins_anew(tmp_path: Path) -> None:
    run(Order([], tmp_path, 6, only=("JSON",)), lambda state: None)
    other = run(Order([], tmp_path, 4, seed=2, only=("JSON",)), lambda state: None)
    assert other.done == 4


def test_what_takes_too_long_is_ended_and_kept(tmp_path: Path) -> None:
    state = run(Order([], tmp_path, 2, only=("HTML",), seconds=0.0), lambda state: None)
    assert [failure.outcome for failure in state.failures] == ["hang", "hang"]
    assert len(list((tmp_path / "failures").iterdir())) == 2
    assert not state.passed


def test_the_table_has_a_line_for_each_format() -> None:
    state = State("x")
    state.add(Verdict(0, "PDF", "read", "", 0.5, 10, 1_000_000))
    state.add(Verdict(1, "JSON", "crash", "KeyError: 1", 0.1, 10, 1_000_000))
    said = table(state)
    assert "2 inputs, 1 failures" in said
    assert "1 JSON: crash: KeyError: 1" in said
