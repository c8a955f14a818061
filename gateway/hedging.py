"""Two tries at the same thing, of which the first to succeed is kept. Knows nothing of models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def raced(
    first: Coroutine[Any, Any, T],
    patience: float,
    second: Callable[[], Coroutine[Any, Any, T] | None],
    discard: Callable[[T], Awaitable[None]],
) -> T:
    """What `first` gives; when it takes longer than that, what the quicker of both gives.

    `second` may decline. Whoever is too late is cancelled, and what it gave all the same is
    discarded. When both fail, the first failure is raised.
    """
    running = {asyncio.create_task(first)}
    ended: list[asyncio.Task[T]] = []  # and not to be returned
    won: list[asyncio.Task[T]] = []
    try:
        done, _ = await asyncio.wait(running, timeout=patience)
        if not done and (other := second()) is not None:
            running.add(asyncio.create_task(other))
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running -= done
            ended += done
            for each in done:
                if each.exception() is None:
                    ended.remove(each)
                    won.append(each)
                    return each.result()
        return ended[0].result()
    finally:
        for each in running:
            each.cancel()
        try:
            if running:
                await asyncio.wait(running)
        except asyncio.CancelledError:
            ended += won  # nobody is there any more to take it
            raise
        finally:
            for each in (*running, *ended):
                if each.done() and not each.cancelled() and each.exception() is None:
                    await discard(each.result())
