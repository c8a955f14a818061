"""What is deleted is found no more, whatever fails in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import NotFound, SourcesUnavailable
from gateway.filing.config import FilesConfig
from gateway.filing.files import Files
from gateway.filing.shelves import Shelves
from gateway.filing.stores import VectorStores
from gateway.filing.types import StoredFile, VectorStore
from gateway.ingestion import Collections
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import Database, open_database
from retrieval.config import RetrievalConfig
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.ingestion.events import Report
from retrieval.types import Metadata, RetrievalError
from tests.contracts.test_conversations import Clock
from tests.retrieval.ingestion.fakes import Hashing

pytestmark = pytest.mark.anyio
SOON = 0.01  # seconds


@dataclass(frozen=True, slots=True)
class Failing(Collections):
    """Collections that let nothing go while there is a `fault`, and wait with what comes in."""

    fault: list[Exception] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def bring(self, collection: str, items: Sequence[object], meta: Metadata) -> Report:
        report = await Collections.bring(self, collection, items, meta)  # type: ignore[arg-type]
        await self.open.wait()
        return report

    async def remove(self, collection: str, sources: Sequence[str]) -> Report:
        self._fail()
        return await Collections.remove(self, collection, sources)

    async def drop(self, collection: str) -> int:
        self._fail()
        return await Collections.drop(self, collection)

    def _fail(self) -> None:
        if self.fault:
            raise self.fault[0]


class Shelf:
    """A gateway's shelves; `again` is the same after a start."""

    def __init__(self, database: Database, folder: Path, clock: Clock, indexes: EmbeddedIndexes):
        self.parts = (database, folder, clock, indexes)
        self.clock = clock
        self.indexes = indexes
        self.stores = VectorStores(database, clock)
        self.files = Files(database, folder / "files", FilesConfig(), clock)
        self.fault: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.shelves = Shelves(
            self.stores,
            self.files,
            Failing(indexes, Hashing(), RetrievalConfig(), fault=self.fault, open=self.open),
            swept_every=SOON,
            away=SOON,
        )

    def again(self) -> Shelf:
        return Shelf(*self.parts)

    async def found(self, store: VectorStore) -> set[str]:
        """Names of the files that the index holds."""
        index = await self.indexes.open(store.id)
        held = await index.documents() if index else {}
        return {source.partition("/")[2] for source in held}

    async def arriving(self) -> tuple[VectorStore, StoredFile]:
        """A store, and a file that stays on its way into it until `open` is set."""
        self.open.clear()
        store = await self.stores.add("red", "", "", {}, {}, None)
        file = await self.files.add("red", "a.md", "assistants", rope())
        await self.shelves.attach(store, [(file, {}, {})])
        return store, file

    async def filled(self, expires_in: int | None = None) -> tuple[VectorStore, StoredFile]:
        """A store with a file in it."""
        store = await self.stores.add("red", "", "", {}, {}, None)
        file = await self.files.add("red", "a.md", "assistants", rope(), expires_in)
        await self.shelves.attach(store, [(file, {}, {})])
        await until(lambda: self.completed(store))
        return store, file

    async def completed(self, store: VectorStore) -> bool:
        return [one.status for one in await self.stores.files(store.id)] == ["completed"]

    async def settled(self) -> bool:
        """Whether nothing waits."""
        return not await self.stores.waiting() and not await self.stores.leaving()


async def rope() -> AsyncGenerator[bytes]:
    yield b"# Rope\n\nA metre of hemp rope costs 2.40 EUR."


async def until(true: Callable[[], Awaitable[object]]) -> None:
    for _ in range(500):
        if await true():
            return
        await asyncio.sleep(SOON)
    raise AssertionError("it did not come about")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(SqliteLedger(), tmp_path)
    yield database
    database.close()


@pytest.fixture
async def shelf(database: Database, tmp_path: Path) -> AsyncIterator[Shelf]:
    encoder = Hashing()
    indexes = EmbeddedIndexes(tmp_path / "index", encoder.name, encoder.size)
    yield Shelf(database, tmp_path, Clock(), indexes)
    await indexes.aclose()


async def test_a_file_that_the_index_did_not_let_go_is_taken_out_later(shelf: Shelf) -> None:
    async with shelf.shelves.tended():
        store, file = await shelf.filled()
        shelf.fault.append(RetrievalError("the disk is full"))
        with pytest.raises(SourcesUnavailable):
            await shelf.shelves.detach(await shelf.stores.attached(store, file.id))
        assert await shelf.stores.files(store.id) == []
        assert await shelf.found(store) == {"a.md"}
        shelf.fault.clear()
        await until(shelf.settled)
        assert await shelf.found(store) == set()


async def test_a_file_is_taken_out_by_the_next_start(shelf: Shelf) -> None:
    async with shelf.shelves.tended():
        store, file = await shelf.filled()
    await shelf.stores.take_out(await shelf.stores.attached(store, file.id))  # and then it died
    again = shelf.again()
    async with again.shelves.tended():
        await until(again.settled)
    assert await shelf.found(store) == set()


async def test_who_deletes_a_file_again_waits_until_it_is_out(shelf: Shelf) -> None:
    async with shelf.shelves.tended():
        store, file = await shelf.filled()
    shelf.fault.append(RetrievalError("the disk is full"))
    with pytest.raises(SourcesUnavailable):
        await shelf.shelves.forget("red", file.id)
    shelf.fault.clear()
    await shelf.shelves.forget("red", file.id)
    assert await shelf.found(store) == set()
    assert await shelf.settled()


async def test_a_file_taken_out_while_it_comes_in_is_out_in_the_end(shelf: Shelf) -> None:
    store, file = await shelf.arriving()
    async with shelf.shelves.tended():
        await until(partial(shelf.found, store))
        await shelf.shelves.detach(await shelf.stores.attached(store, file.id))
        assert not await shelf.settled()  # what dies now is finished by the next start
        shelf.open.set()
        await until(shelf.settled)
    assert await shelf.found(store) == set()


async def test_a_store_that_the_index_did_not_let_go_is_dropped_later(shelf: Shelf) -> None:
    async with shelf.shelves.tended():
        store, _ = await shelf.filled()
        shelf.fault.append(RetrievalError("the disk is full"))
        with pytest.raises(SourcesUnavailable):
            await shelf.shelves.drop(store)
        assert await shelf.stores.all("red") == []
        with pytest.raises(NotFound):
            await shelf.stores.one("red", store.id)
        shelf.fault.clear()
        await until(shelf.settled)
        assert await shelf.indexes.names() == []


async def test_a_store_dropped_while_a_file_comes_in_stays_dropped(shelf: Shelf) -> None:
    store, _ = await shelf.arriving()
    async with shelf.shelves.tended():
        await until(partial(shelf.found, store))
        await shelf.shelves.drop(store)
        assert await shelf.stores.leaving() == [store.id]
        shelf.open.set()
        await until(shelf.settled)
    assert await shelf.indexes.names() == []


async def test_what_breaks_is_told_and_the_work_goes_on(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    async with shelf.shelves.tended():
        store, file = await shelf.filled()
        shelf.fault.append(ZeroDivisionError("nobody thought of this"))
        with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError):
            await shelf.shelves.detach(await shelf.stores.attached(store, file.id))

        async def told() -> bool:
            return "nobody thought of this" in caplog.text

        await until(told)
        other, _ = await shelf.filled()
        assert await shelf.found(other) == {"a.md"}
        shelf.fault.clear()
        await until(shelf.settled)
    assert await shelf.found(store) == set()


async def test_a_sweep_that_breaks_is_told_and_followed_by_others(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    async with shelf.shelves.tended():
        await shelf.filled(expires_in=3_600)
        shelf.fault.append(ZeroDivisionError("nobody thought of this"))
        shelf.clock.now += 3_601

        async def told() -> bool:
            return "nobody thought of this" in caplog.text

        await until(told)
        shelf.fault.clear()

        async def gone() -> bool:
            return not await shelf.files.expired()

        await until(gone)


async def test_a_file_over_its_time_is_taken_out_of_its_stores(shelf: Shelf) -> None:
    async with shelf.shelves.tended():
        store, file = await shelf.filled(expires_in=3_600)
        shelf.clock.now += 3_601

        async def gone() -> bool:
            return not await shelf.files.expired() and not shelf.files.path(file.id).exists()

        await until(gone)
        assert await shelf.found(store) == set()
        assert await shelf.stores.files(store.id) == []


async def test_a_file_over_its_time_is_known_while_a_store_holds_it(shelf: Shelf) -> None:
    async with shelf.shelves.tended():
        store, file = await shelf.filled(expires_in=3_600)
        shelf.fault.append(RetrievalError("the disk is full"))
        shelf.clock.now += 3_601

        async def marked() -> bool:
            return not await shelf.stores.files(store.id)

        await until(marked)
        assert await shelf.files.expired() == [file]
