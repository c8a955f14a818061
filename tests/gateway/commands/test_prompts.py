"""`moorline prompts` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.commands.prompts import prompts

OWN = '+++\nabout = "Mine"\nlanguage = "de"\n[variables]\nwho = "Whom"\n+++\nAsk {who}.\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.v1.txt").write_text(OWN)
    file = tmp_path / "moorline.toml"
    file.write_text(
        f"[context]\nprompts = {str(tmp_path / 'own')!r}\n"
        '[context.prompt_versions]\nstrict = "v1"\n'
    )
    return file


def run(config: Path, *arguments: str) -> Result:
    command, *rest = arguments
    return CliRunner().invoke(prompts, [command, "--config", str(config), *rest])


def test_all_are_listed_with_what_is_in_use(config: Path) -> None:
    lines = run(config, "list").output.splitlines()
    told = {line.split()[0]: " ".join(line.split()) for line in lines}
    assert told["mine"] == "mine v1 (yours) v1 (yours) Mine"
    assert told["strict"].startswith("strict v1 v1, v2 ")


def test_one_is_shown_as_it_is_written(config: Path) -> None:
    shown = run(config, "show", "mine")
    assert shown.stdout == "Ask {who}.\n"
    assert "mine@v1 (de): Mine" in shown.stderr
    assert "{who}: Whom" in shown.stderr
    assert "joined=" in run(config, "show", "strict@v2").stdout


def test_two_versions_are_compared(config: Path) -> None:
    lines = run(config, "diff", "strict", "v1", "v2").output.splitlines()
    assert lines[:2] == ["--- strict@v1", "+++ strict@v2"]
    assert sum(line.startswith("+") for line in lines[2:]) == 1


def test_one_is_rendered_with_values(config: Path) -> None:
    assert run(config, "render", "mine", "--var", "who=a=b").stdout == "Ask a=b.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nobody"), "There is no prompt 'nobody'"),
        (("show", "mine@v2"), "There is no mine@v2; there are v1."),
        (("render", "mine"), "{who} is missing"),
        (("render", "mine", "--var", "who"), "is not NAME=TEXT"),
    ],
)
def test_what_cannot_be_done_is_said(config: Path, arguments: tuple[str, ...], said: str) -> None:
    told = run(config, *arguments)
    assert told.exit_code != 0
    assert said in told.output


def test_cases_are_run_and_a_failure_ends_with_one(config: Path) -> None:
    assert run(config, "test").exit_code == 0
    case = '[[case]]\nname = "greets"\nvariables = {who = "you"}\ncontains = ["Hello"]\n'
    (config.parent / "own" / "mine.cases.toml").write_text(case)
    failed = run(config, "test")
    assert failed.exit_code == 1
    assert "mine@v1: greets: it lacks 'Hello'" in failed.output
