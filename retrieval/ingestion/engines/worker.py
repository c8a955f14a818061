"""What reads and embeds on a machine of a cluster. It never saw the index, nor who asks.

Whatever it cannot do is an answer, not an exception: an exception is a fault of ours. It knows no
cluster either.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from retrieval.ingestion.engines.types import Job, with_tokens
from retrieval.ingestion.reading import Reader, Same, Text
from retrieval.parsing.draft import Unreadable
from retrieval.sources.types import Item
from retrieval.types import Encoder, Recorded, RetrievalError, Vectors

OpenEncoder: TypeAlias = Callable[[], AbstractAsyncContextManager[Encoder]]
"""Can be pickled, and opens an encoder on whatever machine; without secrets, these it finds there.

Raises RetrievalError."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker that can begin."""

    where: str  # name of its host
    code: str  # see `code`


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that cannot be read, for everybody and not only here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """This worker, or what it was given, is of no use, and another one's would not be."""

    message: str


class Worker:
    """Reads items and embeds texts for one ingestion. Not before `ready` is anything opened."""

    def __init__(self, job: Job, encoder: OpenEncoder) -> None:
        self._job, self._open = job, encoder

    async def ready(self) -> Ready | Broken:
        """Open the encoder, which stays open as long as the process."""
        try:
            # Nobody closes it: the process ends by being killed.
            self._opened = self._open()
            self._encoder: Encoder = await self._opened.__aenter__()
            self._reader: Reader = self._job.reader(self._encoder)
            await self._encoder.passages(["The first use opens it."])
        except RetrievalError as error:
            return Broken(str(error))
        return Ready(socket.gethostname(), await asyncio.to_thread(code, self._job))

    async def read(self, item: Item, known: Recorded | None) -> Text | Same | Refused | Broken:
        try:
            return await asyncio.to_thread(self._reader.read, item, known)
        except Unreadable as error:
            return Refused(error.reason)
        except RetrievalError as error:
            return Broken(str(error))

    async def passages(self, texts: Sequence[str]) -> Vectors | Broken:
        try:
            return await self._encoder.passages(texts)
        except RetrievalError as error:
            return Broken(str(error))

    async def passages_and_tokens(
        self, texts: Sequence[str]
    ) -> tuple[Vectors, list[bytes]] | Broken:
        try:
            return await with_tokens(self._encoder, texts)
        except RetrievalError as error:
            return Broken(str(error))


def code(job: Job) -> str:
    """Digest of the code that makes passages and vectors on this machine."""
    modules = {__name__, job.scan.__module__ if job.scan else __name__}
    return _digest(tuple(sorted({name.partition(".")[0] for name in modules})))


@cache
def _digest(packages: Sequence[str]) -> str:
    found = hashlib.sha256()
    for package in packages:
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        root = Path(next(iter(folders or ("",))))
        for file in sorted(root.rglob("*.py")):
            found.update(file.relative_to(root).as_posix().encode() + b"\0")
            found.update(file.read_bytes())
    return found.hexdigest()[:16]
