"""Who works on an index that only one process may have open."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.backends import open_encoder, open_indexes
from gateway.commands.holding import HELD, WAITING, ingested
from gateway.config import Config
from gateway.control import Work, announced
from retrieval.config import QdrantIndex, RetrievalConfig
from retrieval.ingestion.engines.local import local
from retrieval.ingestion.events import Progress, Report, from_dict
from retrieval.types import RetrievalError
from tests.retrieval.ingestion.fakes import Hashing


@pytest.mark.anyio
async def test_another_process_in_the_way_is_waited_for(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "data")
    (tmp_path / "a.md").write_text("Text.")
    work = Work((str(tmp_path / "a.md"),), "docs")
    async with aclosing(ingested(config, work)) as events:
        async with open_encoder(config) as encoder, open_indexes(config, encoder) as other:
            await other.open("docs", create=True)
            first = from_dict(await anext(events))
            assert isinstance(first, Progress)
            assert first.notice == WAITING
        *_, last = [from_dict(event) async for event in events]
    assert isinstance(last, Report)
    assert last.added == 1


@pytest.mark.anyio
async def test_a_cluster_is_not_driven_from_a_gateway_that_holds_the_index(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    work = Work((str(tmp_path),), "docs")
    with announced(config.data, "http://127.0.0.1:1"), pytest.raises(RetrievalError) as raised:
        await anext(ingested(config, work, local(Hashing())))
    assert str(raised.value) == HELD


@pytest.mark.anyio
async def test_beside_a_gateway_a_cluster_writes_to_a_server(tmp_path: Path) -> None:
    index = QdrantIndex(kind="qdrant", url=":memory:")
    config = Config(data=tmp_path / "data", retrieval=RetrievalConfig(index=index))
    (tmp_path / "a.md").write_text("Text.")
    work = Work((str(tmp_path / "a.md"),), "docs")
    async with open_encoder(config) as encoder:
        with announced(config.data, "http://127.0.0.1:1"):
            events = ingested(config, work, local(encoder))
            *_, last = [from_dict(event) async for event in events]
    assert isinstance(last, Report)
    assert last.added == 1
