"""Who works on the collections: the gateway that holds them, or this process.

Both tell and answer the same, so that what is shown does not depend on who did the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from gateway.config import Config
from gateway.control import Work, running
from retrieval.config import EmbeddedIndex
from retrieval.ingestion.events import Progress, Report, as_dicts, to_dict
from retrieval.types import InUse, Recorded, RetrievalError

if TYPE_CHECKING:
    from gateway.ingestion import Collections
    from retrieval.ingestion.engines.types import Engines

T = TypeVar("T")

_PAUSE = 0.5
WAITING = "Another process works on this collection; waiting for its end."
HELD = (
    "A gateway holds the embedded index, and a cluster is driven by the process that writes. Stop "
    "the gateway for the while, or keep collections on a Qdrant server (`retrieval.index`), where "
    "both may write."
)


async def ingested(
    config: Config, work: Work, engines: Engines | None = None
) -> AsyncGenerator[dict[str, Any]]:
    """The events of an ingestion, whoever does it. Another process in the way is waited for.

    With `engines` it is this process: a gateway that answers is no place to drive a cluster from.
    Raises RetrievalError where it holds the index all the same."""
    waited = False
    while True:
        control = running(config.data)
        if control and engines:
            if isinstance(config.retrieval.index, EmbeddedIndex):
                raise RetrievalError(HELD)
            control = None
        if control:
            async with aclosing(control.ingest(work)) as events:
                async for event in events:
                    yield event
            return
        try:
            async with aclosing(_here(config, work, engines)) as events:
                async for event in events:
                    yield event
            return
        except InUse:
            if not waited:
                yield to_dict(Progress(0, 0, 0, 0, 0, 0.0, listed=False, notice=WAITING))
            waited = True
            await asyncio.sleep(_PAUSE)


class Held(Protocol):
    """Collections, wherever they are held."""

    async def names(self) -> list[str]: ...

    async def documents(self, collection: str) -> dict[str, Recorded]: ...

    async def remove(self, collection: str, sources: Sequence[str]) -> Report: ...

    async def drop(self, collection: str) -> int: ...


def answered(config: Config, asked: Callable[[Held], Awaitable[T]]) -> T:
    """What is asked of the collections, or the command's end with why it cannot be answered."""

    async def ask() -> T:
        if control := running(config.data):
            return await asked(control)
        async with _opened(config) as collections:
            return await asked(collections)

    try:
        return asyncio.run(ask())
    except RetrievalError as error:
        raise click.ClickException(str(error)) from error


async def _here(
    config: Config, work: Work, engines: Engines | None
) -> AsyncGenerator[dict[str, Any]]:
    async with _opened(config) as collections:
        await collections.made(work.collection)  # what is in the way shows before anything is told
        async with aclosing(as_dicts(collections.ingest(work, engines))) as events:
            async for event in events:
                yield event


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Collections]:
    from gateway.backends import open_encoder, open_indexes
    from gateway.ingestion import Collections

    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        yield Collections(indexes, encoder, config.retrieval)
