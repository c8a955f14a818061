"""What `moorline ingest` shows and how it exits. The work itself is retrieval's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.commands.ingest import ingest
from gateway.commands.telling import summed, told
from retrieval.ingestion.events import Failure, Progress, Report, to_dict
from retrieval.types import RetrievalError

REPOSITORY = Path(__file__).parents[3]
FAILURE = Failure("docs/b.pdf", "empty: 0 bytes")


def report(*failed: Failure, notice: str = "") -> Report:
    skipped = (Failure("docs/.git", "hidden"),) * 4
    return Report(2, 1, 3, 0, skipped, failed, 60, 2.0, (), notice)


async def events(*told: Progress | Report | dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for event in told:
        yield event if isinstance(event, dict) else to_dict(event)


@pytest.mark.anyio
async def test_failures_are_told_as_they_happen(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(7, 1, 100, 10, 5, 0.5, FAILURE)
    assert await told(events(progress, report(FAILURE))) == report(FAILURE)
    assert capsys.readouterr() == ("", "docs/b.pdf: empty: 0 bytes\n")


@pytest.mark.anyio
async def test_what_is_skipped_is_named_to_whoever_wants_to_know(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await told(events(report()), verbose=True)
    assert capsys.readouterr().err.splitlines() == ["skipped: docs/.git: hidden"] * 4


def test_a_report_is_summed_up_in_a_line() -> None:
    assert summed(report(FAILURE)) == (
        "2 added, 1 changed, 3 unchanged, 4 skipped, 1 failed; 60 passages in 2.0 s (30/s)."
    )


def test_what_was_not_done_is_said() -> None:
    assert summed(report(notice="Nothing was pruned: ...")).endswith("\nNothing was pruned: ...")


@pytest.mark.anyio
async def test_events_that_break_off_have_no_report() -> None:
    assert await told(events(Progress(7, 1, 100, 10, 5, 0.5))) is None


@pytest.mark.anyio
async def test_an_error_among_the_events_is_raised() -> None:
    with pytest.raises(RetrievalError, match="The index is in use"):
        await told(events({"event": "error", "message": "The index is in use."}))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ingest")
    file = folder / "moorline.toml"
    file.write_text(f"data = {json.dumps(str(folder / 'data'))}\n")
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(ingest, [str(argument) for argument in arguments])


def test_files_are_ingested_and_a_second_run_changes_nothing(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nText.")
    first = run(tmp_path, "--config", config, "--collection", "one")
    assert (first.exit_code, first.stdout[:8]) == (0, "1 added,")
    second = run(tmp_path, "--config", config, "--collection", "one", "--json")
    found = json.loads(second.stdout)
    assert (second.exit_code, found["added"], found["unchanged"]) == (0, 0, 1)


def test_a_pattern_in_quotes_is_resolved(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "b.txt").write_text("Text.")
    found = run(tmp_path / "*.md", "--config", config, "--collection", "two")
    assert found.stdout.startswith("1 added,")


def test_a_bad_file_makes_the_exit_code_1(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "b.pdf").write_bytes(b"\x89PNG\r\n")
    found = run(tmp_path, "--config", config, "--collection", "three")
    assert found.exit_code == 1
    assert "b.pdf: wrong type: a PNG image, not a PDF" in found.stderr
    assert "1 added" in found.stdout


def test_a_missing_path_is_a_usage_error(config: Path, tmp_path: Path) -> None:
    found = run(tmp_path / "none", "--config", config)
    assert found.exit_code == 2
    assert "No such file or folder" in found.stderr


def test_one_name_for_two_files_is_a_usage_error(config: Path, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text("Text.")
    found = run(tmp_path / "x", tmp_path / "y", "--config", config)
    assert found.exit_code == 2
    assert "Two files would be the document 'a.md'" in found.stderr


def test_an_address_that_a_crash_has_left_behind_does_no_harm(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    left = config.parent / "data" / "gateway.json"
    left.parent.mkdir(exist_ok=True)
    left.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "t", "pid": os.getpid()}))
    found = run(tmp_path, "--config", config, "--collection", "four")
    left.unlink()
    assert found.stdout.startswith("1 added,")


def test_a_bad_name_of_a_collection_is_said(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    found = run(tmp_path, "--config", config, "--collection", "No Name!")
    assert found.exit_code == 1
    assert "is no name for a collection" in found.stderr


def test_a_dry_run_stores_nothing(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nText.")
    found = run(tmp_path, "--config", config, "--collection", "dry", "--dry-run", "--show-chunks")
    assert (found.exit_code, "a.md: 1 passages" in found.stdout) == (0, True)
    assert "│ Text." in found.stdout
    assert not (config.parent / "data" / "index" / "dry").exists()
    (tmp_path / "b.pdf").write_bytes(b"\x89PNG\r\n")
    assert run(tmp_path, "--config", config, "--dry-run").exit_code == 1
    assert run(tmp_path, "--config", config, "--show-chunks").exit_code == 2


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_its_engine_names_the_extra(config: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "--config", config, "--engine", "ray")
    assert (found.exit_code, "pip install 'moorline[ray]'" in found.stderr) == (1, True)


@pytest.mark.parametrize(
    "options",
    [["--engine", "ray", "--watch"], ["--engine", "ray", "--dry-run"], ["--ray-address", "auto"]],
)
def test_options_of_another_engine_are_a_usage_error(
    options: list[str], config: Path, tmp_path: Path
) -> None:
    assert run(tmp_path, "--config", config, *options).exit_code == 2


def test_ctrl_c_leaves_the_index_whole_and_says_so(config: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for i in range(300):
        (docs / f"{i:03}.md").write_text(f"Text number {i} of a long list. " * 60)
    command = [sys.executable, "-m", "gateway", "ingest", str(docs)]
    command += ["--config", str(config), "--collection", "cut"]
    shard = config.parent / "data" / "index" / "cut"
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while not shard.exists() and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted. The index is whole; run the same again to go on."
    for path in list(docs.iterdir())[20:]:
        path.unlink()
    found = json.loads(run(docs, "--config", config, "--collection", "cut", "--json").stdout)
    assert found["added"] + found["changed"] + found["unchanged"] == 20
