"""Who works on an index that only one process may have open."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.build import open_encoder, open_indexes
from gateway.commands.holding import WAITING, ingested
from gateway.config import Config
from gateway.control import Work
from retrieval.ingestion.events import Progress, Report, from_dict


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
