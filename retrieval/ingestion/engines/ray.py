"""A Ray cluster as an engine (extra `ray`): actors read and embed, this process alone writes.

Actors, not Ray Data: what is to be embedded depends on what the index holds, which only this
process may open, so the work leaves the cluster between its two stages; and a document that kills
whoever reads it has to become that document's failure. All that Ray does here is to place workers,
to carry what is sent to them, and to tell when one is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import ray
from ray import exceptions

from retrieval.ingestion.config import RayConfig
from retrieval.ingestion.engines.crew import TRIES, Crew, Kind, Lost
from retrieval.ingestion.engines.types import Ahead, Engine, Engines, Job, Say
from retrieval.ingestion.engines.worker import Broken, OpenEncoder, Ready, Refused, Worker, code
from retrieval.ingestion.reading import Reader, Same, Text
from retrieval.parsing.draft import Unreadable
from retrieval.sources.types import Item
from retrieval.types import Recorded, RetrievalError, Vectors

_LOCAL = "local"
_SAME = "Every node needs the same Moorline, with the same Python, as this command."
_STORE = 200_000_000
"""Bytes that a cluster of this machine alone shares; more than is ever on its way there."""
_STARTS = 3
"""Tries: Ray waits half a minute for its own processes, which on a busy machine is not long."""
_FETCHERS = 8
"""Threads that read here what is sent to the workers."""
_FILES, _FILES_EACH = 32, 8
_BYTES, _BYTES_EACH, _BYTES_MOST = 32_000_000, 8_000_000, 256_000_000
_GROUPS, _WORKERS_A_GROUP = 2, 2


def cluster(config: RayConfig, encoder: OpenEncoder) -> Engines:
    """Engines on a cluster, whose workers open this encoder."""

    @asynccontextmanager
    async def opened(job: Job, reader: Reader, say: Say) -> AsyncIterator[Engine]:
        ours = await asyncio.to_thread(connected, config)
        try:
            size = config.workers
            if size is None:
                size = await asyncio.to_thread(_room, config)
            crew = Crew(partial(_hired, config, job, encoder), size, say)
            fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch")
            try:
                yield Spread(crew, reader, fetchers, config.fetch == "workers")
            finally:
                fetchers.shutdown(wait=False, cancel_futures=True)
                await crew.aclose()
        finally:
            if ours:
                await asyncio.to_thread(ray.shutdown)

    return opened


@dataclass(frozen=True, slots=True)
class Remote:
    """A worker, as who gives it work sees it."""

    actor: Any
    where: str = "an unknown node"

    async def asked(self, method: str, *arguments: Any) -> Any:
        """What it answers. Raises Lost and RetrievalError."""
        try:
            answer = await getattr(self.actor, method).remote(*arguments)
        except exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            what = f"{type(cause).__name__}: {_line(cause)}"
            raise RetrievalError(f"A worker on {self.where} failed: {what}") from error
        except exceptions.RayActorError as error:
            if error.actor_init_failed:
                raise RetrievalError(f"A worker cannot begin: {_last(error)}. {_SAME}") from error
            raise Lost(type(error).__name__) from error
        except exceptions.RayError as error:
            raise Lost(type(error).__name__) from error
        if isinstance(answer, Broken):
            raise RetrievalError(f"On {self.where}: {answer.message}")
        return answer

    def dismiss(self) -> None:
        ray.kill(self.actor)


@dataclass(frozen=True, slots=True)
class Brought:
    """Reads what came along."""

    data: bytes

    def __call__(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class Spread:
    """The engine of one ingestion."""

    crew: Crew[Remote]
    reader: Reader
    fetchers: ThreadPoolExecutor
    far: bool  # whether workers read what they can reach

    @property
    def ahead(self) -> Ahead:
        """Enough for all who are there now to have work in hand and the next piece beside it."""
        many = len(self.crew.workers)
        return Ahead(
            files=_FILES + _FILES_EACH * many,
            bytes=min(_BYTES + _BYTES_EACH * many, _BYTES_MOST),
            groups=_GROUPS + many // _WORKERS_A_GROUP,
        )

    async def read(self, item: Item, known: Recorded | None) -> Text | Same:
        if not (self.far and item.portable):
            data = await asyncio.wrap_future(self.fetchers.submit(item.read))
            if await asyncio.to_thread(self.reader.same, item, known, data):
                return Same(len(data))
            item, known = replace(item, read=Brought(data)), None
        try:
            found: Text | Same | Refused = await self._done("read", "read", item, known)
        except Lost as error:
            many = f"each of {TRIES} workers that read it was lost ({error})"
            raise Unreadable(f"{many}; it may be what kills them") from error
        if isinstance(found, Refused):
            raise Unreadable(found.reason)
        return found

    async def passages(self, texts: Sequence[str]) -> Vectors:
        return _copied(await self._embedded("passages", texts))

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        vectors, tokens = await self._embedded("passages_and_tokens", texts)
        return _copied(vectors), tokens

    async def _embedded(self, method: str, texts: Sequence[str]) -> Any:
        try:
            return await self._done("embed", method, texts)
        except Lost as error:
            many = f"Each of {TRIES} workers that embedded the same passages was lost"
            raise RetrievalError(f"{many}: {error}") from error

    async def _done(self, kind: Kind, method: str, *arguments: Any) -> Any:
        return await self.crew.do(kind, lambda worker: worker.asked(method, *arguments))


async def _hired(config: RayConfig, job: Job, encoder: OpenEncoder) -> Remote:
    """A worker that is ready, whenever the cluster has room for it."""
    options = {"num_cpus": config.worker_cpus, "num_gpus": config.worker_gpus}
    made = ray.remote(Worker).options(**options, max_restarts=0, scheduling_strategy="SPREAD")
    worker = Remote(made.remote(job, encoder))
    try:
        ready: Ready = await worker.asked("ready")
        if ready.code != await asyncio.to_thread(code, job):
            raise RetrievalError(f"On {ready.where} there is another Moorline. {_SAME}")
    except BaseException:
        worker.dismiss()
        raise
    return replace(worker, where=ready.where)


def connected(config: RayConfig) -> bool:
    """Whether the connection is ours to end. Raises RetrievalError."""
    if ray.is_initialized():
        return False
    address = config.address or os.environ.get("RAY_ADDRESS") or _LOCAL
    # What workers print would run through the bar, and is theirs to keep.
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == _LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"include_dashboard": False, "object_store_memory": _STORE}
    tries = _STARTS if address == _LOCAL else 1
    while True:
        tries -= 1
        try:
            ray.init(address, **options)
        except Exception as error:  # Ray raises that very class where starting takes too long
            ray.shutdown()
            if not tries:
                raise RetrievalError(f"No Ray cluster at {address}: {_line(error)}") from error
        else:
            return True


def _copied(vectors: Vectors) -> Vectors:
    """What comes from another process lies in memory that all share, and is to leave it soon."""
    copied: Vectors = np.array(vectors)
    return copied


def _room(config: RayConfig) -> int:
    """How many workers the cluster's nodes hold as they are now."""
    there = ray.cluster_resources()
    wanted = {"CPU": config.worker_cpus, "GPU": config.worker_gpus}
    return max(1, min(int(there.get(name, 0) // each) for name, each in wanted.items() if each))


def _line(error: BaseException) -> str:
    """The first line of what it says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _last(error: BaseException) -> str:
    """The last line of what it says, where a traceback stands before it."""
    return str(error).strip().splitlines()[-1][:300]
