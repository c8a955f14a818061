"""The connections to one origin as plain state: who is idle, who waits. It opens none itself.

The youngest idle connection is used first, so that the others age and are closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from gateway.providers.wire.connection import Connection
from gateway.providers.wire.errors import PoolFull


class Pool:
    """Bounded. Whoever finds it full waits for a connection, or for the right to open one; how
    many may wait is bounded too."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, most: int, most_waiting: int, keep_alive: float
    ) -> None:
        self.places = 0  # taken: open connections, and those being opened
        self._loop = loop
        self._most = most
        self._most_waiting = most_waiting
        self._keep_alive = keep_alive
        self._idle: list[Connection] = []  # oldest first
        self._busy: set[Connection] = set()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def take(self) -> Connection | None:
        """An idle connection, now busy."""
        if not self._idle:
            return None
        connection = self._idle.pop()
        self._busy.add(connection)
        return connection

    def place(self) -> bool:
        """Take the right to open a connection; `join` or `leave` must follow."""
        if self.places >= self._most:
            return False
        self.places += 1
        return True

    async def wait(self) -> Connection | None:
        """A busy connection of one's own, or None: the right to open one. Raises PoolFull."""
        if len(self._waiters) >= self._most_waiting:
            raise PoolFull(
                f"All {self._most} connections are in use, and {len(self._waiters)} calls wait."
            )
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._waiters.remove(waiter)
            self._hand_on(waiter)
            raise

    def join(self, connection: Connection) -> None:
        """A new connection fills the place that was taken for it."""
        self._busy.add(connection)
        connection.keep_by(self)

    def leave(self) -> None:
        """A place is free again."""
        if waiter := self._first_waiter():
            waiter.set_result(None)
        else:
            self.places -= 1

    def trade(self, connection: Connection) -> None:
        """Close a connection and keep its place."""
        connection.keep_by(None)
        self._busy.discard(connection)
        connection.abort()

    def give(self, connection: Connection) -> None:
        if waiter := self._first_waiter():
            waiter.set_result(connection)
            return
        self._busy.discard(connection)
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._keep_alive, self._sweep)

    def gone(self, connection: Connection) -> None:
        if connection in self._busy:
            self._busy.discard(connection)
        else:
            self._idle.remove(connection)
        self.leave()

    def close(self) -> None:
        """Close all connections; whoever waits is cancelled."""
        if self._sweeper:
            self._sweeper.cancel()
            self._sweeper = None
        while waiter := self._first_waiter():
            waiter.cancel()
        for connection in (*self._idle, *self._busy):
            connection.abort()

    def _first_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _hand_on(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Whoever waited has been cancelled after being served: the next one gets it."""
        if not waiter.done() or waiter.cancelled():
            return
        connection = waiter.result()
        if connection is None:
            self.leave()
        elif not connection.closed:
            self.give(connection)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeper = None
        expired = self._loop.time() - self._keep_alive
        for connection in [each for each in self._idle if each.idle_since <= expired]:
            connection.abort()
        if self._idle:
            wait = self._idle[0].idle_since - expired
            self._sweeper = self._loop.call_later(max(wait, 0.001), self._sweep)
