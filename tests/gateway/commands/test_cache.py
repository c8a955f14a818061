"""`moorline cache`, of a gateway that runs and of a store without one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.config import load
from gateway.control import announced
from tests.serving import serving

Run = Callable[..., Result]
QUESTION = "Within how many days may goods be returned?"
CONFIG = """
data = {data}
[cache.semantic]
enabled = true
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A configuration's file and the address of the gateway that runs with it."""
    folder = tmp_path_factory.mktemp("cache")
    file = folder / "moorline.toml"
    file.write_text(CONFIG.format(data=json.dumps(str(folder / "data"))))
    with serving(load(file)) as it, announced(folder / "data", it.url) as token:
        it.app.state.control_token = token
        yield file, it.url


@pytest.fixture
def run(served: tuple[Path, str]) -> Run:
    def run(*arguments: str | Path) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(main, [*words, "--config", str(served[0])])

    return run


@pytest.fixture
def asked(run: Run, served: tuple[Path, str], tmp_path: Path) -> Iterator[None]:
    """A document, and a question about it that was answered."""
    (tmp_path / "returns.md").write_text("# Returns\n\nGoods may be returned within 30 days.\n")
    assert run("ingest", tmp_path).exit_code == 0
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": "auto", "messages": messages}
    assert httpx.post(f"{served[1]}/v1/chat/completions", json=body).status_code == 200
    yield
    run("cache", "purge", "--all")


def entries(run: Run) -> int:
    return int(json.loads(run("cache", "stats", "--json").stdout)["entries"])


@pytest.mark.usefixtures("asked")
def test_what_is_kept_is_counted(run: Run) -> None:
    assert run("cache", "stats").stdout.startswith("1 answers, 0.0 MiB\n1 questions to compare")


@pytest.mark.usefixtures("asked")
def test_answers_are_forgotten_by_document_and_by_collection(run: Run) -> None:
    assert run("cache", "purge", "--document", "other.md").stdout == "Forgot 0 answers.\n"
    assert run("cache", "purge", "--collection", "other").stdout == "Forgot 0 answers.\n"
    assert run("cache", "purge", "--document", "returns.md").stdout == "Forgot 1 answers.\n"
    assert entries(run) == 0


def test_forgetting_everything_has_to_be_said(run: Run) -> None:
    assert run("cache", "purge").exit_code == 2
    assert run("cache", "purge", "--all", "--key", "k").exit_code == 2


@pytest.mark.usefixtures("asked")
def test_why_a_question_is_answered_from_it_is_explained(run: Run, tmp_path: Path) -> None:
    found = json.loads(run("cache", "explain", QUESTION, "--json").stdout)
    assert found["verdict"] == "It is given again at once."
    assert found["exact"]["key"] == found["key"]
    (tmp_path / "more.md").write_text("# Vouchers\n\nVouchers are never refunded.\n")
    run("ingest", tmp_path)
    told = run("cache", "explain", QUESTION).stdout
    assert told.startswith("The documents have changed: it is given again if the same passages")
    assert "of an older edition, on returns.md@" in told
    near = json.loads(
        run("cache", "explain", "For how long may goods be returned?", "--json").stdout
    )
    assert near["exact"] is None
    assert [each["question"] for each in near["near"]] == [QUESTION]
    assert run("cache", "purge", "--key", found["key"]).stdout == "Forgot 1 answers.\n"


def test_a_key_that_is_none_is_refused(run: Run) -> None:
    told = run("cache", "explain", QUESTION, "--as", "nobody")
    assert (told.exit_code, "no good key with the id 'nobody'" in told.stderr) == (1, True)


def test_the_gateways_own_token_is_needed(served: tuple[Path, str]) -> None:
    for what in ("stats", "purge", "explain"):
        response = httpx.post(f"{served[1]}/control/cache/{what}", json={"question": "x"})
        assert response.status_code == 401


def test_without_a_gateway_there_is_nothing_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "moorline.toml"
    file.write_text(f"data = {json.dumps(str(tmp_path / 'data'))}\n")
    told = CliRunner().invoke(main, ["cache", "stats", "--config", str(file)])
    assert (told.exit_code, "No gateway runs here" in told.stderr) == (1, True)
