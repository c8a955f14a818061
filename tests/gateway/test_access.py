"""Whom a document is for, from a key to what is answered, and to what is answered again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.build import build
from gateway.config import parse
from gateway.errors import InvalidRequest
from gateway.ingestion import ingest
from gateway.pipeline import Gateway
from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask, Done

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
cite = true
models = [{{ name = "simulated" }}]
[providers.broken]
kind = "simulated"
fault = "cut"
[cache.semantic]
enabled = true
max_error_rate = 0.2
"""
DOCUMENTS = {
    "everybody.md": "# Parking\n\nThe parking garage opens at seven in the morning.\n",
    "board.md": "---\ngroups: [board]\n---\n# Parking\n\nThe parking garage is sold in May.\n",
    "north.md": "---\ntenant: north\n---\n# Parking\n\nNorth parks in the garage for free.\n",
    "over.md": "---\nvalid_until: 2020-01-01\n---\n# Parking\n\nThe parking garage is closed.\n",
}
QUESTION = "What is to be known of the parking garage?"
ALIKE = "What is there to be known of the parking garage?"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class World:
    """A gateway, and whoever asks it, by Authorization header."""

    gateway: Gateway
    plain: str
    board: str
    north: str

    async def told(self, who: str | None, question: str = QUESTION, **fields: Any) -> Done:
        messages = ({"role": "user", "content": question},)
        model = fields.pop("model", "sim/simulated")
        asked = Ask(model, messages, question, grounding="open", top_k=20, **fields)
        whole = await collect((await self.gateway.answer(who, asked, Trace())).events)
        assert whole.done is not None
        return whole.done

    async def read(self, who: str | None, **fields: Any) -> set[str]:
        done = await self.told(who, use_cache=False, **fields)
        return {source.document for source in done.sources}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text)
    async with build(parse(CONFIG.format(data=tmp_path / "data"))) as gateway:
        events = [event async for event in ingest(gateway, [str(folder)], "default", prune=False)]
        assert events[-1]["failed"] == ()
        yield World(gateway, "", "", "")


def with_keys(world: World) -> World:
    made = world.gateway.accounts.store.create
    keys = [made("plain"), made("board", groups=("board",)), made("north", team="north")]
    world.gateway.accounts.refresh()
    world.plain, world.board, world.north = (f"Bearer {key.secret}" for key in keys)
    return world


async def test_without_keys_all_that_is_valid_is_read(world: World) -> None:
    assert await world.read(None) == {"everybody.md", "board.md", "north.md"}


async def test_a_key_reads_what_is_for_it(world: World) -> None:
    with_keys(world)
    assert await world.read(world.plain) == {"everybody.md"}
    assert await world.read(world.board) == {"everybody.md", "board.md"}
    assert await world.read(world.north) == {"everybody.md", "north.md"}


async def test_a_filter_narrows_and_never_widens(world: World) -> None:
    with_keys(world)
    assert await world.read(world.board, where='groups = "board"') == {"board.md"}
    assert await world.read(world.board, where="groups not exists") == {"everybody.md"}
    for where in ('groups = "board"', 'tenant = "north"', {"document": "over.md"}):
        assert await world.read(world.plain, where=where) == set()


async def test_an_answer_of_one_group_is_not_given_to_another(world: World) -> None:
    with_keys(world)
    asked: dict[str, Any] = {"params": {"temperature": 0}}
    first = await world.told(world.board, **asked)
    assert first.cache == "miss"
    again = await world.told(world.board, **asked)
    alike = await world.told(world.board, ALIKE, **asked)
    assert (again.cache, alike.cache) == ("exact", "semantic")
    for question in (QUESTION, ALIKE):
        other = await world.told(world.plain, question, **asked)
        assert {source.document for source in other.sources} == {"everybody.md"}


async def test_below_the_last_model_no_more_is_said_to_anybody(world: World) -> None:
    with_keys(world)
    asked: dict[str, Any] = {"params": {"temperature": 0}, "model": "broken/simulated"}
    told = await world.told(world.plain, "When does the parking garage open?", **asked)
    assert told.degraded in ("extract", "cached")
    assert {source.document for source in told.sources} == {"everybody.md"}


async def test_a_malformed_filter_is_told_with_its_place(world: World) -> None:
    with pytest.raises(InvalidRequest, match="character 10") as refused:
        await world.told(None, where="region = EU")
    assert refused.value.param == "moorline.filter"
