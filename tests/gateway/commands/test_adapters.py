"""`moorline adapters` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.commands.adapters import adapters
from gateway.config import load
from gateway.control import announced
from tests.serving import serving
from tests.tiny import write_adapter, write_model

CONFIG = """
data = "{folder}/data"
[providers.vllm]
kind = "vllm"
base_url = ["http://127.0.0.1:9/v1", "http://127.0.0.1:99/v1"]
models = [{{ name = "base" }}]
lora = {{ slots = 4, base_config = "{folder}/base" }}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_model(folder / "base")
    for seed in range(2):
        write_adapter(folder / str(seed), seed)
    return folder


@pytest.fixture
def config(tmp_path: Path, made: Path) -> Path:
    file = tmp_path / "moorline.toml"
    text = CONFIG.format(folder=tmp_path).replace(f"{tmp_path}/base", f"{made}/base")
    file.write_text(text)
    return file


def run(config: Path, *arguments: str) -> Result:
    command, *rest = arguments
    return CliRunner().invoke(adapters, [command, "--config", str(config), *rest])


def done(config: Path, *arguments: str) -> str:
    result = run(config, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def shown(config: Path) -> Any:
    return json.loads(done(config, "show", "support", "--json"))


def test_an_adapter_is_added_promoted_and_rolled_back(config: Path, made: Path) -> None:
    first = done(config, "add", str(made / "0"), "--name", "support")
    assert "support@1 for vllm: rank 8" in first
    assert 'Requests for "support" are answered by it.' in first
    second = done(config, "add", str(made / "1"), "--name", "support")
    assert "moorline adapters promote support@2" in second
    assert "support@live is revision 2." in done(config, "promote", "support@2")
    assert "support@live is revision 1." in done(config, "rollback", "support")
    assert shown(config)["aliases"] == {"live": 1}


def test_names_are_listed_with_what_is_live(config: Path, made: Path) -> None:
    assert "No adapters" in done(config, "list")
    done(config, "add", str(made / "0"), "--name", "support", "--team", "acme", "--rpm", "60")
    done(config, "promote", "support@1", "--as", "canary", "--team", "acme")
    lines = [line.split() for line in done(config, "list").splitlines()]
    assert lines[1][:5] == ["support", "acme", "1", "canary", "1"]
    (told,) = json.loads(done(config, "list", "--json"))
    assert told["revisions"][0]["quota"] == {"requests_per_minute": 60}
    assert "canary, live" in done(config, "show", "support", "--team", "acme")


def test_what_does_not_fit_is_refused_with_its_reason(config: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "large", 1, rank=32)
    refused = run(config, "add", str(tmp_path / "large"), "--name", "support")
    assert refused.exit_code == 1
    assert "incompatible: its rank is 32, engines take 16" in refused.output
    assert "No adapters" in done(config, "list")


@pytest.mark.parametrize("name", ["../x", "base", "auto"])
def test_a_name_that_is_none_is_refused(config: Path, made: Path, name: str) -> None:
    assert run(config, "add", str(made / "0"), "--name", name).exit_code == 1


def test_pins_are_counted(config: Path, made: Path) -> None:
    for name in ("a", "b"):
        done(config, "add", str(made / "0"), "--name", name)
    assert "a is critical." in done(config, "pin", "a")
    refused = run(config, "pin", "b")
    assert refused.exit_code == 1
    assert "2 critical adapters on 2 replicas" in refused.output
    assert "a is low." in done(config, "pin", "a", "--priority", "low")
    done(config, "pin", "b")


def test_a_name_that_has_no_live_revision_is_added_to(config: Path, made: Path) -> None:
    done(config, "add", str(made / "0"), "--name", "support")
    done(config, "remove", "support@live")
    assert "moorline adapters promote support@2" in done(
        config, "add", str(made / "1"), "--name", "support"
    )


def test_a_folder_that_cannot_be_written_is_told(config: Path, made: Path) -> None:
    in_the_way = config.parent / "in_the_way"
    in_the_way.touch()
    with config.open("a") as file:
        file.write(f'\n[adapters]\nfolder = "{in_the_way}/adapters"\n')
    refused = run(config, "add", str(made / "0"), "--name", "support")
    assert refused.exit_code == 1
    assert "in_the_way/adapters: Not a directory" in refused.output


def test_what_is_removed_has_to_be_said(config: Path, made: Path) -> None:
    for seed in range(2):
        done(config, "add", str(made / str(seed)), "--name", "support")
    done(config, "promote", "support@2", "--as", "canary")
    assert run(config, "remove", "support").exit_code == 2
    assert run(config, "remove", "support@2").exit_code == 1  # canary leads to it
    for one in ("support@canary", "support@1"):  # one of them, or all?
        assert run(config, "remove", one, "--all").exit_code == 2
    assert "means nothing" in done(config, "remove", "support@canary")
    assert "Removed support@2." in done(config, "remove", "support@2")
    assert "Removed support@1." in done(config, "remove", "support", "--all")
    assert run(config, "show", "support").exit_code == 1


def test_a_gateway_has_to_run_for_something_to_be_loaded(config: Path, made: Path) -> None:
    done(config, "add", str(made / "0"), "--name", "support")
    assert "No gateway runs" in run(config, "warm", "support").output


def test_the_running_gateway_is_asked_to_load(config: Path, made: Path) -> None:
    data = load(config).data
    with serving(load(config)) as served, announced(data, served.url) as token:
        served.app.state.control_token = token
        served.app.state.gateway.accounts.operator = f"Bearer {token}"
        done(config, "add", str(made / "0"), "--name", "support")
        refused = run(config, "warm", "nothing")
        assert "no adapter 'nothing'" in refused.output
        # Nobody listens where the replicas should be.
        refused = run(config, "warm", "support@1")
        assert refused.exit_code == 1


def test_the_doctor_misses_files_that_are_gone(config: Path, made: Path) -> None:
    done(config, "add", str(made / "0"), "--name", "support")

    def said() -> str:
        output = CliRunner().invoke(main, ["doctor", "--config", str(config)]).output
        return next(line for line in output.splitlines() if "  adapters" in line)

    assert said().endswith("1 live names, 1 revisions")
    config.write_text(config.read_text() + f'[adapters]\nfolder = "{config.parent}/elsewhere"\n')
    assert "the files of support@1 are not in" in said()
