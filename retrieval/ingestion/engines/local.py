"""This process as an engine: two threads read, the encoder's own encode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from retrieval.ingestion.engines.types import Ahead, Engine, Engines, Job, Say, with_tokens
from retrieval.ingestion.reading import Reader, Same, Text
from retrieval.sources.types import Item
from retrieval.types import Encoder, Recorded, Vectors

READERS = 2
_TURNS = 2
"""Texts handed to the encoder at once: while the last of one are encoded, no core waits."""
_AHEAD = Ahead(files=32, bytes=32_000_000, groups=2)


@dataclass(frozen=True, slots=True)
class Local:
    """Reading takes threads, since the encoder lets go of the interpreter."""

    encoder: Encoder
    reader: Reader
    threads: ThreadPoolExecutor
    ahead: Ahead = _AHEAD
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_TURNS))

    async def read(self, item: Item, known: Recorded | None) -> Text | Same:
        return await asyncio.wrap_future(self.threads.submit(self.reader.read, item, known))

    async def passages(self, texts: Sequence[str]) -> Vectors:
        async with self._turns:
            return await self.encoder.passages(texts)

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        async with self._turns:
            return await with_tokens(self.encoder, texts)


def local(encoder: Encoder) -> Engines:
    """Engines of this process, which embed by this encoder."""

    @asynccontextmanager
    async def opened(job: Job, reader: Reader, say: Say) -> AsyncIterator[Engine]:
        threads = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        try:
            yield Local(encoder, reader, threads)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    return opened
