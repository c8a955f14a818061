"""`moorline bench faults`: against a gateway that withstands nothing, and how one is set up."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from eval.bench.cli import group
from gateway.build import catalogue
from gateway.config import parse

CASES = ("split-characters", "cut", "html")


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_a_bare_pass_through_fails_where_it_passes_on_what_it_gets(
    runner: CliRunner, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    chosen = [part for case in CASES for part in ("--case", case)]
    done = runner.invoke(group, ["faults", "--subject", "raw", *chosen, "--json", str(report)])
    assert done.exit_code == 1, done.output
    seen = orjson.loads(report.read_bytes())
    passed = {each["case"]: each["passed"] for each in seen["cases"] if each["stream"] is not False}
    assert passed.pop("outage") is False
    assert passed == {"split-characters": True, "cut": False, "html": False}
    assert "Failed: cut, html, outage." in done.output


@pytest.mark.parametrize("options", [(), ("--fallback",)], ids=["one", "fallback"])
def test_its_snippet_is_a_configuration(runner: CliRunner, options: tuple[str, ...]) -> None:
    done = runner.invoke(group, ["faults", "--snippet", "--listen", "127.0.0.1:9500", *options])
    config = parse(done.output)
    assert "http://127.0.0.1:9500/v1" in done.output
    asked = "cut-stream" if options else "faults/cut-stream"
    (first, *others) = catalogue(config).resolve(asked)
    assert first.name == "faults/cut-stream"
    assert [each.name for each in others] == (["spare/steady"] if options else [])


def test_it_wants_to_know_which_gateway(runner: CliRunner) -> None:
    assert "Give the URL" in runner.invoke(group, ["faults"]).output


def test_a_gateway_that_is_not_there_is_said_so(runner: CliRunner) -> None:
    done = runner.invoke(
        group, ["faults", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--wait", "0"]
    )
    assert done.exit_code == 1
    assert "does not reach the upstream" in done.output
