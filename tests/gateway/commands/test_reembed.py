"""`moorline reembed`, and what is said where it is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.build import build
from gateway.cli import main
from gateway.config import Config
from gateway.control import announced
from retrieval.index.embedded import EmbeddedIndexes
from tests.contracts.backends import SIZE, embedded

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = tmp_path / "moorline.toml"
    config.write_text(f"data = {str(tmp_path / 'data')!r}\n")
    return lambda *words: CliRunner().invoke(main, [*words, "--config", str(config)])


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A data folder with two collections of another encoder."""

    async def write() -> None:
        indexes = EmbeddedIndexes(tmp_path / "data" / "index", "test-encoder", SIZE)
        for name in ("docs", "more"):
            index = await indexes.open(name, create=True)
            assert index is not None
            await index.write([embedded("a.md", "repair of the pump", "travel expenses")])
        await indexes.aclose()

    asyncio.run(write())
    return tmp_path / "data"


@pytest.mark.usefixtures("foreign")
def test_all_that_another_encoder_wrote_is_embedded_anew(run: Run) -> None:
    refused = run("search", "pump", "--collection", "docs")
    assert "moorline reembed --collection docs" in refused.output
    done = run("reembed")
    assert (done.exit_code, "docs: 2 passages" in done.output) == (0, True)
    assert "more: 2 passages" in done.output
    assert "a.md" in run("search", "pump", "--collection", "docs").output
    assert "nothing to do" in run("reembed").output


@pytest.mark.usefixtures("foreign")
def test_one_collection_may_be_named(run: Run) -> None:
    assert "more" not in run("reembed", "--collection", "docs").output
    assert "nothing to do" in run("reembed", "--collection", "docs").output
    assert "more: 2 passages" in run("reembed").output
    assert "no collection 'none'" in run("reembed", "--collection", "none").output


def test_a_gateway_that_has_the_index_open_is_to_be_stopped(run: Run, foreign: Path) -> None:
    with announced(foreign, "http://127.0.0.1:9"):
        refused = run("reembed")
    assert refused.exit_code == 1
    assert "Stop it, embed anew" in refused.output


@pytest.mark.anyio
async def test_a_gateway_says_at_its_start_what_it_cannot_read(
    foreign: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="moorline"):
        async with build(Config(data=foreign)):
            said = [record.getMessage() for record in caplog.records]
    assert any("'docs'" in line and "moorline reembed --collection docs" in line for line in said)
