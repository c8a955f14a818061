"""`moorline experiments` as it is typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.commands.experiments import experiments
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import open_database
from gateway.ledger.writer import LedgerWriter
from tests.gateway.ledger.samples import NOON, a_request, a_trace

CALLERS = 120  # of each variant
CONFIG = """
data = "{data}"
[experiments.tone]
when = "task = 'question'"
[experiments.tone.variants]
plain = {{ share = 0.5 }}
warm = {{ share = 0.5, parameters = {{ temperature = 0.9 }} }}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "moorline.toml"
    file.write_text(CONFIG.format(data=tmp_path / "data"))
    return file


def written(config: Path, **faithful: float) -> None:
    """A request of each caller, half of whom have a little more and half a little less."""
    database = open_database(SqliteLedger(), config.parent / "data")
    writer = LedgerWriter(database, clock=lambda: NOON)
    for variant, mean in faithful.items():
        for place in range(CALLERS):
            drawn = replace(
                a_request(f"{len(variant):02x}{place:030x}"),
                experiment=f"tone/{variant}",
                unit=f"{variant} {place}",
                faithfulness=mean + 0.05 * (-1) ** place,
            )
            writer.write(drawn, a_trace(drawn.trace_id))
    writer.close()
    database.close()


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(experiments, [*arguments, "--config", str(config)])


def test_variants_are_compared_and_a_decision_stops_it(config: Path) -> None:
    written(config, plain=0.6, warm=0.8)
    shown = run(config, "tone").output.splitlines()
    rows = [line.split()[:4] for line in shown[1:3]]
    assert rows == [["plain", "120", "120", "0.6"], ["warm", "120", "120", "0.8"]]
    assert shown[4].startswith("warm less plain, faithfulness: +0.2 (+0.1")
    assert shown[-1] == "stop: by faithfulness, warm is better than plain."


def test_what_nobody_took_part_in_goes_on(config: Path) -> None:
    shown = run(config, "tone").output
    assert "warm: no intervals before 50 callers of it and of plain" in shown
    assert shown.endswith("go on: too few callers have been seen for faithfulness.\n")


def test_all_are_listed(config: Path) -> None:
    shown = run(config).output
    assert "plain 50%, warm 50%" in shown
    assert "task = 'question'" in shown


def test_what_is_configured_no_longer_can_still_be_read(config: Path) -> None:
    written(config, plain=0.6, warm=0.8)
    config.write_text(f"data = '{config.parent / 'data'}'\n")
    assert "configured no longer" in run(config).output
    assert json.loads(run(config, "tone", "--json").output)["stop"] is True


def test_an_unknown_one_is_an_error_that_says_where_to_look(config: Path) -> None:
    shown = run(config, "gone")
    assert shown.exit_code == 1
    assert "There is no experiment 'gone'; see: moorline experiments" in shown.output
