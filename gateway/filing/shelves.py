"""Brings the files of stores into their collections, one after another, in the background.

What is still to be done, bringing in as well as taking out, stands in the database, so that a
gateway that is stopped goes on where it was. A store that nobody has used for longer than it is to
live is dropped, and a file that is over its time is taken out of all stores.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError, LedgerAway, NotFound, SourcesUnavailable
from gateway.filing.files import Files
from gateway.filing.stores import VectorStores
from gateway.filing.types import GIVEN, Attached, Batch, Status, StoredFile, VectorStore
from retrieval.config import LONGEST_PASSAGE, FixedChunker, RetrievalConfig
from retrieval.metadata import BadMetadata, checked
from retrieval.sources.types import Item
from retrieval.types import Passage, RetrievalError, Scalar

if TYPE_CHECKING:  # parsers and numpy: not for the door's start
    from gateway.ingestion import Collections

log = logging.getLogger("moorline")

_SWEPT_EVERY = 600.0  # seconds
_AWAY = 5.0  # seconds after which what failed is tried again
_UNSUPPORTED = ("unknown format", "wrong type", "binary, not text")


class Shelves:
    """Stores with what is in them."""

    def __init__(
        self,
        stores: VectorStores,
        files: Files,
        collections: Collections,
        *,
        swept_every: float = _SWEPT_EVERY,
        away: float = _AWAY,
    ) -> None:
        self.stores = stores
        self._files = files
        self._collections = collections
        self._swept_every = swept_every
        self._away = away
        self._more = asyncio.Event()
        self._dropping = asyncio.Lock()
        self._bringing: Attached | None = None

    @asynccontextmanager
    async def tended(self) -> AsyncIterator[None]:
        """Work is done for as long as the `async with` lasts."""
        tasks = [asyncio.create_task(self._bring_in()), asyncio.create_task(self._sweep())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def attach(
        self,
        store: VectorStore,
        files: Sequence[tuple[StoredFile, Mapping[str, Scalar], Mapping[str, Any]]],
        batched: bool = False,
    ) -> tuple[list[Attached], Batch | None]:
        """Put files into a store; they are brought in later."""
        told = await self.stores.attach(store, files, batched)
        self._more.set()
        return told

    async def describe(self, attached: Attached, attributes: Mapping[str, Scalar]) -> Attached:
        """Give a file other attributes. It is brought in anew, from the vectors it has."""
        changed = await self.stores.describe(attached, attributes)
        self._more.set()
        return changed

    async def detach(self, attached: Attached) -> None:
        """Take a file out; when this returns no search finds it."""
        with self._finished():
            await self.stores.take_out(attached)
            await self._take_out(attached)

    async def drop(self, store: VectorStore) -> None:
        """Drop a store with all that is in it."""
        with self._finished():
            await self.stores.leave(store)
            await self._drop(store.id)

    async def forget(self, team: str, file: str) -> None:
        """Take a file out of every store of its team."""
        held = await self.stores.holding(team, file)
        with self._finished():
            for attached in held:  # all of them first: one that fails leaves none forgotten
                await self.stores.take_out(attached)
            await _each([partial(self._take_out, attached) for attached in held])

    async def passages(self, attached: Attached) -> list[Passage]:
        """What was read of a file."""
        with self._told():
            index = await self._collections.indexes.open(attached.store)
            return await index.passages(attached.source) if index else []

    async def _bring_in(self) -> None:
        """Whatever waits, oldest first, for ever."""
        while True:
            self._more.clear()
            if await _done(self._work_off()):
                await self._more.wait()
            else:
                await asyncio.sleep(self._away)

    async def _work_off(self) -> None:
        """All that waits. Raises what is to be tried again."""
        drops = [partial(self._drop, store) for store in await self.stores.leaving()]
        files = [partial(self._see_to, waiting) for waiting in await self.stores.waiting()]
        await _each([*drops, *files])

    async def _see_to(self, waiting: Attached) -> None:
        """What is to be done, if it still is."""
        attached = await self.stores.current(waiting)
        if attached is None:
            return  # detached or dropped since it was listed
        if attached.status == "removing":
            await self._take_out(attached)
        elif attached.status == "in_progress":
            team = await self.stores.team_of(attached.store)
            if team is not None:
                await self._bring(attached, team)

    async def _bring(self, attached: Attached, team: str) -> None:
        self._bringing = attached
        try:
            status, error = await self._brought(attached, team)
            await self.stores.finish(attached, status, error)
        finally:
            self._bringing = None
        await self._settle(attached)

    async def _brought(
        self, attached: Attached, team: str
    ) -> tuple[Status, tuple[str, str] | None]:
        """How it ended."""
        read = self._read(attached.file)
        item = Item(attached.source, attached.filename, attached.size, read, foreign=True)
        try:
            said = checked(attached.attributes)
        except BadMetadata as error:
            return "failed", ("invalid_file", str(error))
        meta = {**said, GIVEN: list(said), "tenant": team}
        try:
            report = await self._of(attached).bring(attached.store, [item], meta)
        except RetrievalError as error:
            return "failed", ("server_error", str(error))
        except Exception:
            log.exception("%s could not be brought into %s", attached.file, attached.store)
            return "failed", ("server_error", "Something broke here.")
        if report.failed:
            reason = report.failed[0].reason
            code = "unsupported_file" if reason.startswith(_UNSUPPORTED) else "invalid_file"
            return "failed", (code, reason)
        return "completed", None

    async def _settle(self, attached: Attached) -> None:
        """What was taken out or dropped while it was brought in is in the index again."""
        current = await self.stores.current(attached)
        if await self.stores.team_of(attached.store) is None:
            await self._drop(attached.store)
        elif (
            await self.stores.take_out_again(attached)
            if current is None
            else current.status == "removing"
        ):
            await self._take_out(attached)

    def _of(self, attached: Attached) -> Collections:
        """The collections, splitting as the file's own strategy says."""
        static = attached.chunking.get("static")
        if static is None:
            return self._collections
        return replace(self._collections, config=_fixed(self._collections.config, static))

    def _read(self, file: str) -> Any:
        return self._files.path(file).read_bytes

    async def _take_out(self, attached: Attached) -> None:
        """Out of the index, and then the row that says that it is to go."""
        with self._told():
            if attached.store in await self._collections.names():
                await self._collections.remove(attached.store, [attached.source])
        now = self._bringing
        if now is None or (now.store, now.file) != (attached.store, attached.file):
            await self.stores.detach(attached)  # else it comes in once more, and goes after that

    async def _drop(self, store: str) -> None:
        """As `_take_out`, of a whole store."""
        await self._drop_collection(store)
        if self._bringing is None or self._bringing.store != store:
            await self.stores.remove(store)

    async def _drop_collection(self, store: str) -> None:
        async with self._dropping:  # nobody else drops what has just been seen to be there
            with self._told():
                if store in await self._collections.names():
                    await self._collections.drop(store)

    async def _sweep(self) -> None:
        """What is over its time, for ever."""
        while True:
            await _done(self._swept())
            await asyncio.sleep(self._swept_every)

    async def _swept(self) -> None:
        files = [partial(self._expire, file) for file in await self._files.expired()]
        stores = [partial(self._drop_collection, one.id) for one in await self.stores.expired()]
        await _each([*files, *stores, self._files.sweep])

    async def _expire(self, file: StoredFile) -> None:
        await self.forget(file.team, file.id)
        with contextlib.suppress(NotFound):  # another gateway was faster
            await self._files.remove(file.team, file.id)

    @contextlib.contextmanager
    def _finished(self) -> Iterator[None]:
        """What fails or is broken off in here is marked, and finished in the background."""
        try:
            yield
        except BaseException:
            self._more.set()
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """An index that fails, in the gateway's words."""
        try:
            yield
        except RetrievalError as error:
            raise SourcesUnavailable(str(error)) from error


async def _each(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """All of it, whichever fails; the last failure is raised at the end."""
    failure: Exception | None = None
    for work in works:
        try:
            await work()
        except LedgerAway:  # none of the others would fare better
            raise
        except Exception as error:
            if failure is not None:
                log.warning("files: this failed, too", exc_info=failure)
            failure = error
    if failure is not None:
        raise failure


async def _done(work: Awaitable[None]) -> bool:
    """Whether it was. What goes on for ever outlives every failure, and says so."""
    try:
        await work
    except GatewayError as error:
        log.warning("files: %s It will be tried again.", error.message)
    except Exception:
        log.exception("files: something broke; it will be tried again")
    else:
        return True
    return False


def _fixed(config: RetrievalConfig, static: Mapping[str, int]) -> RetrievalConfig:
    """Passages of that length, as far as the encoder reads it: the rest would not be searched."""
    size = min(static["max_chunk_size_tokens"], LONGEST_PASSAGE)
    overlap = min(static["chunk_overlap_tokens"], size // 2)
    return config.model_copy(
        update={"chunker": FixedChunker(kind="fixed", overlap=overlap), "passage_tokens": size}
    )
