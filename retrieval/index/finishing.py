"""Work that is brought to its end once it has begun, also when whoever waited for it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Finishing:
    """Holds on to what still runs, so that nothing else has to."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, work: Coroutine[object, object, None]) -> None:
        """Whoever is cancelled goes at once, and the work goes on behind."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)


async def to_the_end(work: Coroutine[object, object, None]) -> None:
    """Whoever is cancelled goes when it has ended. What comes after a write that was broken off
    must see it, or it would be there later than what has taken its place."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # told to nobody: whoever would have heard of it is gone
        raise cancelled
    task.result()
