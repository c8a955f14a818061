"""Work that is brought to its end once it has begun, also when whoever waited for it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Finishing:
    """Holds on to what still runs, so that nothing else has to."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)
