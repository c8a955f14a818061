"""How many are answered at once, how many may wait for it, and when the rest should come again.

It knows no request: one begins, one ends. Whoever is let in must leave.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.errors import Overloaded

SHORTEST, LONGEST = 1.0, 60.0  # seconds that somebody is told to stay away
WEIGHT = 0.2  # of the newest interval in the average


class Admission:
    """A bound and a queue, first come, first served. Belongs to one event loop."""

    def __init__(
        self,
        most: int,
        most_waiting: int,
        longest_wait: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight = 0
        self.refused = 0  # since the start
        self._most = most
        self._most_waiting = most_waiting
        self._longest_wait = longest_wait  # seconds
        self._clock = clock
        self._queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._interval: float | None = None  # seconds between two that were let in from the queue
        self._moved_at = 0.0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def enter(self) -> bool:
        """Be let in at once, or not: then `wait`."""
        if self.in_flight >= self._most:
            return False
        self.in_flight += 1
        return True

    async def wait(self) -> None:
        """Be let in as soon as somebody leaves. Raises Overloaded."""
        if len(self._queue) >= self._most_waiting:
            raise self._full(
                f"{self.in_flight} requests are being answered and {self.waiting} "
                "wait (server.max_in_flight, server.max_waiting)."
            )
        loop = asyncio.get_running_loop()
        if not self._queue:
            self._moved_at = self._clock()
        waiter: asyncio.Future[None] = loop.create_future()
        self._queue[waiter] = None
        alarm = loop.call_later(self._longest_wait, self._late, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and not waiter.exception():
                self.leave()  # it was let in while it was being cancelled
            raise
        finally:
            alarm.cancel()
            self._queue.pop(waiter, None)

    def leave(self) -> None:
        """The place is free, or the next one's."""
        if self._queue and (waiter := self._next()):
            waiter.set_result(None)
        else:
            self.in_flight -= 1

    def _next(self) -> asyncio.Future[None] | None:
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if not waiter.done():
                self._moved()
                return waiter
        return None

    def _moved(self) -> None:
        now = self._clock()
        took, self._moved_at = now - self._moved_at, now
        before = took if self._interval is None else self._interval
        self._interval = before + WEIGHT * (took - before)

    def _late(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waited = f"no request could be answered within {self._longest_wait:g} s"
            waiter.set_exception(self._full(f"{waited} (server.max_wait)."))

    def _full(self, why: str) -> Overloaded:
        self.refused += 1
        # How long the queue, as it moves just now, takes to pass.
        interval = self._longest_wait if self._interval is None else self._interval
        seconds = interval * (len(self._queue) + 1) if self._interval else interval
        return Overloaded(
            f"The gateway has more to do than it can take on: {why}",
            retry_after=min(max(seconds, SHORTEST), LONGEST),
        )
