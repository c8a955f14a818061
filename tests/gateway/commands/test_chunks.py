from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.commands.chunks import show
from gateway.config import Config
from retrieval.sources.targets import source

HANDBOOK = (
    "# Handbook\n\n## Returns\n\nThirty days from delivery.\n\n## Fees\n\nNone are charged.\n"
)


def shown(folder: Path, *, chunks: bool = True, as_json: bool = False, **chunker: object) -> bool:
    """Whether all could be read; what is printed, the test captures."""
    retrieval = {"collections": {"small": {"chunker": chunker}}} if chunker else {}
    config = Config.model_validate({"data": folder / "data", "retrieval": retrieval})
    found = source([str(folder / "documents")])
    return asyncio.run(show(config, "small", found, chunks=chunks, as_json=as_json))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "handbook.md").write_text(HANDBOOK)
    return tmp_path


def test_every_passage_is_shown_as_it_is_embedded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(folder)
    told = capsys.readouterr().out
    assert told.startswith("handbook.md: 2 passages, ")
    assert "#1 · 9 tokens · Fees\n│ Handbook › Fees\n│ None are charged.\n" in told


def test_as_json_a_line_is_a_passage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown(folder, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ordinal"] for line in lines] == [0, 1]
    assert lines[0]["embedded"] == "Handbook › Returns\nThirty days from delivery."
    assert lines[0]["headings"] == ["Returns"]


def test_without_chunks_a_line_is_a_document(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(folder, chunks=False)
    assert capsys.readouterr().out == "handbook.md: 2 passages, 19 tokens, the longest 10\n"


def test_the_collection_chooses_the_chunker(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "documents" / "handbook.md").write_text(HANDBOOK.replace("None", "None. None"))
    shown(folder, kind="sentence-window", window=1)
    told = capsys.readouterr().out
    assert "#1 · 7 tokens · Fees · read with #1–#2" in told


def test_what_is_said_of_every_document_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config.model_validate({"data": folder / "data"})
    found = source([str(folder / "documents")])
    meta = {"title": "House rules"}
    assert asyncio.run(show(config, "small", found, meta=meta, chunks=True, as_json=False))
    assert "│ House rules › Handbook › Fees\n" in capsys.readouterr().out


def test_nothing_is_stored(folder: Path) -> None:
    shown(folder)
    assert not (folder / "data").exists()


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "documents" / "a.md").write_text("")
    assert not shown(folder)
    told = capsys.readouterr()
    assert told.err.endswith("a.md: empty: 0 bytes\n")
    assert told.out.startswith("handbook.md: ")
