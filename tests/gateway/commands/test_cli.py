"""Every command that is listed is there, and says what it does."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gateway.cli import COMMANDS, main
from gateway.commands.serve import is_loopback


@pytest.mark.parametrize("name", [*COMMANDS, "eval", "bench"])
def test_a_command_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert len(shown.output.splitlines()) > 4


def test_an_unknown_command_is_named() -> None:
    refused = CliRunner().invoke(main, ["sail"])
    assert refused.exit_code == 2
    assert "sail" in refused.output


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("gw", False)],
)
def test_only_loopback_is_served_without_a_key(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_serving_beyond_loopback_needs_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    refused = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0"])
    assert refused.exit_code == 1
    assert "moorline keys create" in refused.output
