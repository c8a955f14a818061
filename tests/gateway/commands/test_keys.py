"""`moorline keys` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.accounts.keys import Accounts
from gateway.commands.keys import keys
from gateway.errors import Unauthorized
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import open_database
from gateway.types import Caller


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "moorline.toml"
    file.write_text(f"data = {str(tmp_path / 'data')!r}\n")
    return file


def run(config: Path, *arguments: str) -> Result:
    command, *rest = arguments
    return CliRunner().invoke(keys, [command, "--config", str(config), *rest])


def identified(config: Path, secret: str) -> Caller:
    database = open_database(SqliteLedger(), config.parent / "data")
    try:
        return Accounts(database).identify(f"Bearer {secret}")
    finally:
        database.close()


def test_a_key_that_was_made_works(config: Path) -> None:
    options = "--name ops --team support --admin --collection faq --collection handbook"
    limits = "--model auto --rpm 60 --tpm 1000 --budget 2.5 --expires 30"
    made = run(config, "create", *options.split(), *limits.split())
    assert made.exit_code == 0
    caller = identified(config, made.output.split()[0])
    assert (caller.name, caller.team, caller.admin) == ("ops", "support", True)
    assert (caller.collection, caller.collections) == ("faq", ("faq", "handbook"))
    assert caller.models == ("auto",)
    assert (caller.requests_per_minute, caller.tokens_per_minute) == (60, 1000)
    assert caller.budget_usd == 2.5


def test_the_secret_is_shown_once(config: Path) -> None:
    secret = run(config, "create", "--name", "ops").output.split()[0]
    listed = run(config, "list")
    assert "ops" in listed.output
    assert secret not in listed.output
    assert secret not in run(config, "list", "--json").output


def test_a_key_is_printed_as_json(config: Path) -> None:
    made = json.loads(run(config, "create", "--name", "ops", "--json").output)
    assert identified(config, made["secret"]).key == made["id"]
    (listed,) = json.loads(run(config, "list", "--json").output)
    assert listed["id"] == made["id"]
    assert "hash" not in listed


def test_a_revoked_key_stops_working(config: Path) -> None:
    made = json.loads(run(config, "create", "--name", "ops", "--json").output)
    assert run(config, "revoke", made["id"]).exit_code == 0
    with pytest.raises(Unauthorized):
        identified(config, made["secret"])
    assert "revoked" in run(config, "list").output


def test_a_key_that_is_not_there_cannot_be_revoked(config: Path) -> None:
    refused = run(config, "revoke", "k_unknown")
    assert refused.exit_code == 1
    assert "k_unknown" in refused.output


def test_without_keys_the_list_says_what_that_means(config: Path) -> None:
    assert "No keys" in run(config, "list").output


@pytest.mark.parametrize("option", ["--rpm=0", "--budget=0", "--expires=-1", "--tpm=x"])
def test_a_limit_that_makes_no_sense_is_refused(config: Path, option: str) -> None:
    assert run(config, "create", "--name", "ops", option).exit_code == 2


def test_a_ledger_that_cannot_be_opened_is_said_to_be_so(config: Path) -> None:
    (config.parent / "data").mkdir()
    (config.parent / "data" / "ledger.db").write_text("This is no database. " * 100)
    failed = run(config, "list")
    assert failed.exit_code == 1
    assert "cannot be opened" in failed.output


def test_keys_need_no_providers_key(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    provider = """
[providers.cloud]
kind = "openai-compatible"
base_url = "http://127.0.0.1:1/v1"
api_key = "env:NOT_SET_HERE"
models = [{ name = "m" }]
"""
    config.write_text(config.read_text() + provider)
    assert run(config, "create", "--name", "ops").exit_code == 0
