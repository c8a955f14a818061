"""`moorline summarize` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.config import parse
from gateway.ledger.database import open_database
from gateway.ledger.queries import Queries

FACT = "The lighthouse of Moorhaven was built in 1874 by Ada Finch."
TEXT = "# The harbour\n\n" + "\n\n".join(
    FACT if n == 100 else f"Ship number {n} came in with grain and left with {n} barrels of oil."
    for n in range(200)
)
CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
words = 12
[[providers.sim.models]]
name = "m"
window = 3000
max_output = 300
input_usd_per_million = {price}
output_usd_per_million = 20
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.md"
    path.write_text(TEXT)
    return path


def ran(tmp_path: Path, *arguments: str, price: float = 10, given: str | None = None) -> Result:
    config = tmp_path / "moorline.toml"
    config.write_text(CONFIG.format(data=tmp_path / "data", price=price))
    return CliRunner().invoke(main, ["summarize", "--config", str(config), *arguments], input=given)


def test_a_file_is_summarised_by_several_calls_and_stands_in_the_ledger(
    tmp_path: Path, file: Path
) -> None:
    made = ran(tmp_path, str(file), "--json")
    told = json.loads(made.stdout)
    assert len(told["text"].split()) == 12
    assert told["long_document"]["calls"] >= 3
    database = open_database(parse("").ledger, tmp_path / "data")
    try:
        (row,) = Queries(database).traces().requests
    finally:
        database.close()
    assert (row.door, row.key) == ("summarize", "local")
    assert row.prompt_tokens == told["usage"]["prompt"]
    assert row.cost_usd == pytest.approx(told["cost_usd"])


def test_a_preview_says_what_it_takes_and_sends_nothing(tmp_path: Path, file: Path) -> None:
    seen = json.loads(ran(tmp_path, str(file), "--preview", "--json").stdout)
    made = json.loads(ran(tmp_path, str(file), "--json").stdout)
    assert seen["calls"] == made["long_document"]["calls"]
    assert seen["method"] == "map_reduce"
    assert seen["cost_usd"] >= made["cost_usd"]


def test_what_is_dear_is_asked_about_first(tmp_path: Path, file: Path) -> None:
    refused = ran(tmp_path, str(file), price=10_000, given="n\n")
    assert refused.exit_code == 1
    assert "Go on?" in refused.stderr
    assert ran(tmp_path, str(file), "--yes", price=10_000).exit_code == 0


def test_a_question_is_answered_from_its_passages(tmp_path: Path, file: Path) -> None:
    question = "Who built the lighthouse of Moorhaven?"
    made = ran(tmp_path, str(file), "--question", question, "--model", "extractive/extractive")
    assert made.stdout.startswith(FACT)
    assert "harbour.md#char=" in made.stdout


def test_without_a_model_it_is_sentences_of_the_file(tmp_path: Path, file: Path) -> None:
    arguments = ("--words", "40", "--model", "extractive/extractive")
    made = ran(tmp_path, str(file), *arguments)
    first = made.stdout.split(" [1]")[0]
    assert first in TEXT
    assert "no model wrote a summary" in made.stderr


def test_text_comes_by_standard_input(tmp_path: Path) -> None:
    made = ran(tmp_path, "-", "--model", "extractive/extractive", given=TEXT)
    assert made.exit_code == 0
    assert "Ship number" in made.stdout


@pytest.mark.parametrize("name", ["missing.md", "picture.gif"])
def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path, name: str) -> None:
    made = ran(tmp_path, str(tmp_path / name))
    assert made.exit_code == 1
    assert name in made.stderr


def test_a_model_that_is_not_there_is_said_so(tmp_path: Path, file: Path) -> None:
    made = ran(tmp_path, str(file), "--model", "nobody/none")
    assert made.exit_code == 1
    assert "nobody/none" in made.stderr
