"""Brings the files of stores into their collections, one after another, in the background.

What is still to be done stands in the database, so that a gateway that is stopped goes on where it
was. A store that nobody has used for longer than it is to live is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError, SourcesUnavailable
from gateway.filing.files import Files
from gateway.filing.stores import VectorStores
from gateway.filing.types import GIVEN, Attached, Batch, StoredFile, VectorStore
from retrieval.config import LONGEST_PASSAGE, FixedChunker, RetrievalConfig
from retrieval.metadata import BadMetadata, checked
from retrieval.sources.types import Item
from retrieval.types import Passage, RetrievalError, Scalar

if TYPE_CHECKING:  # parsers and numpy: not for the door's start
    from gateway.ingestion import Collections

log = logging.getLogger("moorline")

_SWEPT_EVERY = 600.0  # seconds
_AWAY = 5.0  # seconds after which the database is asked again
_UNSUPPORTED = ("unknown format", "wrong type", "binary, not text")


class Shelves:
    """Stores with what is in them."""

    def __init__(self, stores: VectorStores, files: Files, collections: Collections) -> None:
        self.stores = stores
        self._files = files
        self._collections = collections
        self._more = asyncio.Event()

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
        told = await self.stores.attach(await self.stores.used(store), files, batched)
        self._more.set()
        return told

    async def describe(self, attached: Attached, attributes: Mapping[str, Scalar]) -> Attached:
        """Give a file other attributes. It is brought in anew, from the vectors it has."""
        changed = await self.stores.describe(attached, attributes)
        self._more.set()
        return changed

    async def detach(self, attached: Attached) -> None:
        """Take a file out; when this returns no search finds it."""
        await self.stores.detach(attached)
        await self._take_out(attached)

    async def drop(self, store: VectorStore) -> None:
        """Drop a store with all that is in it."""
        await self.stores.remove(store)
        with self._told():
            if store.id in await self._collections.names():
                await self._collections.drop(store.id)

    async def forget(self, team: str, file: str) -> None:
        """Take a file out of every store of its team."""
        for store in await self.stores.all(team):
            for attached in await self.stores.files(store.id):
                if attached.file == file:
                    await self.detach(attached)

    async def passages(self, attached: Attached) -> list[Passage]:
        """What was read of a file."""
        with self._told():
            index = await self._collections.indexes.open(attached.store)
            return await index.passages(attached.source) if index else []

    async def _bring_in(self) -> None:
        """Whatever waits, oldest first, for ever."""
        while True:
            self._more.clear()
            try:
                for attached in await self.stores.waiting():
                    await self._bring(attached)
            except GatewayError as error:
                log.warning("files: %s Trying again in %.0f s.", error.message, _AWAY)
                await asyncio.sleep(_AWAY)
                continue
            await self._more.wait()

    async def _bring(self, waiting: Attached) -> None:
        attached = await self.stores.current(waiting)
        team = await self.stores.team_of(waiting.store)
        if attached is None or team is None or attached.status != "in_progress":
            return  # cancelled, detached or dropped since it was listed
        item = Item(attached.source, attached.filename, attached.size, self._read(attached.file))
        try:
            said = checked(attached.attributes)
        except BadMetadata as error:
            await self.stores.finish(attached, "failed", ("invalid_file", str(error)))
            return
        meta = {**said, GIVEN: list(said), "tenant": team}
        try:
            report = await self._of(attached).bring(attached.store, [item], meta)
        except RetrievalError as error:
            await self.stores.finish(attached, "failed", ("server_error", str(error)))
            return
        except Exception:
            log.exception("%s could not be brought into %s", attached.file, attached.store)
            await self.stores.finish(attached, "failed", ("server_error", "Something broke here."))
            return
        if report.failed:
            reason = report.failed[0].reason
            code = "unsupported_file" if reason.startswith(_UNSUPPORTED) else "invalid_file"
            await self.stores.finish(attached, "failed", (code, reason))
        else:
            await self.stores.finish(attached, "completed")
        if await self.stores.current(attached) is None:  # taken out while it was brought in
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
        with self._told():
            if attached.store in await self._collections.names():
                await self._collections.remove(attached.store, [attached.source])

    async def _sweep(self) -> None:
        while True:
            try:
                await self._files.sweep()
                for store in await self.stores.expired():
                    with self._told():
                        if store.id in await self._collections.names():
                            await self._collections.drop(store.id)
            except GatewayError as error:
                log.warning("files: %s", error.message)
            await asyncio.sleep(_SWEPT_EVERY)

    @contextlib.contextmanager
    def _told(self) -> Any:
        """An index that fails, in the gateway's words."""
        try:
            yield
        except RetrievalError as error:
            raise SourcesUnavailable(str(error)) from error


def _fixed(config: RetrievalConfig, static: Mapping[str, int]) -> RetrievalConfig:
    """Passages of that length, as far as the encoder reads it: the rest would not be searched."""
    size = min(static["max_chunk_size_tokens"], LONGEST_PASSAGE)
    overlap = min(static["chunk_overlap_tokens"], size // 2)
    return config.model_copy(
        update={"chunker": FixedChunker(kind="fixed", overlap=overlap), "passage_tokens": size}
    )
