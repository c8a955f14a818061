"""`moorline vllm command` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.adapters.store import AdapterStore, Draft
from gateway.adapters.types import Facts
from gateway.commands.vllm import vllm
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import open_database

CONFIG = """
data = {data}
[providers.gpu]
kind = "vllm"
base_url = "http://gpu:8000/v1"
api_key = {key}
models = [{{ name = "qwen" }}]
lora = {{ max_rank = 64 }}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path, "env:A_KEY_THAT_IS_NOT_SET")


def configured(folder: Path, key: str) -> Path:
    file = folder / "moorline.toml"
    file.write_text(CONFIG.format(data=json.dumps(str(folder / "data")), key=json.dumps(key)))
    return file


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(vllm, ["command", *arguments, "--config", str(config)])


@pytest.mark.parametrize("name", ["qwen", "gpu/qwen"])
def test_a_model_is_named_with_its_provider_or_without(config: Path, name: str) -> None:
    shown = run(config, name)
    assert shown.exit_code == 0, shown.output
    assert 'VLLM_API_KEY="$A_KEY_THAT_IS_NOT_SET"' in shown.output
    assert "vllm serve qwen" in shown.output


def test_a_key_that_is_written_out_is_not_repeated(tmp_path: Path) -> None:
    shown = run(configured(tmp_path, "sk-secret"), "qwen")
    assert 'VLLM_API_KEY="$VLLM_API_KEY"' in shown.output
    assert "sk-secret" not in shown.output


def test_an_unknown_model_is_told_with_the_known_ones(config: Path) -> None:
    shown = run(config, "llama")
    assert (shown.exit_code, "known: gpu/qwen" in shown.output) == (1, True)


def test_the_rank_is_that_of_what_is_registered(config: Path) -> None:
    database = open_database(SqliteLedger(), config.parent / "data")
    AdapterStore(database).add(a_draft(12))
    database.close()
    (told,) = json.loads(run(config, "qwen", "--json").output)
    assert told["argv"][told["argv"].index("--max-lora-rank") + 1] == "16"


def a_draft(rank: int) -> Draft:
    facts = Facts("qwen", rank, 16.0, ("q_proj",), "F32", 1, "0" * 64)
    return Draft("", "support", "gpu", "/adapters/support", facts)
