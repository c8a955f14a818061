"""`moorline collections` and `documents`, with a gateway that holds the index and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(anywhere: Path) -> Run:
    def run(*arguments: str | Path) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(main, [*words, "--config", str(anywhere)])

    return run


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text("---\nlanguage: en\n---\n# A\n\nText of a.")
    (tmp_path / "b.md").write_text("# B\n\nText of b.")
    return tmp_path


def test_what_was_ingested_is_listed(run: Run, docs: Path) -> None:
    assert run("ingest", docs, "--collection", "listed").exit_code == 0
    assert "listed" in run("collections", "list").stdout.split()
    assert "listed" in json.loads(run("collections", "list", "--json").stdout)
    lines = run("documents", "list", "--collection", "listed").stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["a.md", "A", "1"], ["b.md", "B", "1"]]
    held = run("documents", "list", "--collection", "listed", "--json").stdout.splitlines()
    assert [json.loads(line)["source"] for line in held] == ["a.md", "b.md"]


def test_what_is_in_a_collection_is_shown(run: Run, docs: Path) -> None:
    run("ingest", docs, "--collection", "shown", "--meta", "team=blue")
    assert run("collections", "show", "shown").stdout.startswith("shown: 2 documents, 2 passages")
    found = json.loads(run("documents", "show", "a.md", "--collection", "shown").stdout)
    assert (found["title"], found["meta"]) == ("A", {"language": "en", "team": "blue"})


def test_a_document_is_removed_by_its_name(run: Run, docs: Path) -> None:
    run("ingest", docs, "--collection", "removed")
    removed = run("documents", "remove", "a.md", "--collection", "removed")
    assert (removed.exit_code, removed.stdout) == (0, "1 removed.\n")
    held = run("documents", "list", "--collection", "removed", "--json").stdout.splitlines()
    assert [json.loads(line)["source"] for line in held] == ["b.md"]
    again = run("documents", "remove", "a.md", "--collection", "removed")
    assert (again.exit_code, again.stdout) == (1, "0 removed.\n")
    assert "1 of them are not in the collection 'removed'" in again.stderr


def test_a_collection_is_dropped_when_that_is_confirmed(run: Run, docs: Path) -> None:
    run("ingest", docs, "--collection", "dropped")
    refused = run("collections", "drop", "dropped")  # nobody answers
    assert refused.exit_code == 1
    assert "dropped" in run("collections", "list").stdout.split()
    gone = run("collections", "drop", "dropped", "--yes")
    assert (gone.exit_code, gone.stdout) == (0, "Removed 'dropped' with 2 documents.\n")
    assert "dropped" not in run("collections", "list").stdout.split()


@pytest.mark.parametrize(
    "asked",
    [("collections", "show"), ("collections", "drop"), ("documents", "list", "--collection")],
)
def test_a_collection_that_is_not_there_is_said(run: Run, asked: tuple[str, ...]) -> None:
    found = run(*asked, "none")
    assert found.exit_code == 1
    assert "There is no collection 'none'" in found.stderr


def test_standard_input_is_known_by_its_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    assert "--name go together" in run("ingest", "-", "--collection", "stdin").stderr
    assert "--name go together" in run("ingest", tmp_path, "--name", "a.md").stderr
    assert "without folders" in run("ingest", "-", "--name", "../a.md").stderr


def test_metadata_that_cannot_be_meant_is_a_usage_error(run: Run, docs: Path) -> None:
    found = run("ingest", docs, "--collection", "bad", "--meta", "valid_from=31.12.")
    assert found.exit_code == 2
    assert "valid_from is no date" in found.stderr


def test_metadata_in_a_file_that_cannot_be_meant_is_that_files_failure(
    run: Run, docs: Path
) -> None:
    (docs / "c.md").write_text("---\nvalid_from: soon\n---\nText.")
    found = run("ingest", docs, "--collection", "worse", "--json")
    report = json.loads(found.stdout)
    assert (found.exit_code, report["added"]) == (1, 2)
    assert "valid_from is no date" in report["failed"][0]["reason"]
