"""Equal requests that are under way at once share one computation. In this process.

A request that nobody joins reads its stream itself, and pays for an entry in a dictionary and a
list of what it was told. With the first that joins, a task takes over the reading and all are told
from the list, each at its own pace: whoever leaves, the others' answers go on, and only when the
last one has left is the stream closed. Who joins is told nothing before the task has the stream, so
if the first breaks off before, the next one computes anew and the others join that. Where it
fails for a reason that is not its own, all fail with it: the others would ask the same in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from gateway.errors import ProviderError, RateLimited
from gateway.streams import Whole, chunks_of, deltas_of
from gateway.types import Answer, Completion, Done, Event, Events, Verbatim


class Flights:
    """Those that may be joined, by what must be equal."""

    def __init__(self) -> None:
        self._open: dict[str, Flight] = {}

    def led(self, key: str, edition: str, trace_id: str) -> Flight:
        """A new one, in the place of any that began with older documents."""
        flight = self._open[key] = Flight(self._open, key, edition, trace_id)
        return flight

    def found(self, key: str, edition: str) -> Flight | None:
        """One that began with the same documents."""
        flight = self._open.get(key)
        return flight if flight and flight.edition == edition else None


class Flight:
    """One computation, from the request that began it to the end of its answer."""

    __slots__ = (
        *("_key", "_listeners", "_news", "_open", "_pumping", "_reading", "_source", "_task"),
        *("edition", "failure", "known", "over", "said", "trace_id"),
    )

    def __init__(self, others: dict[str, Flight], key: str, edition: str, trace_id: str) -> None:
        self._open, self._key = others, key
        self.edition = edition
        self.trace_id = trace_id  # of the request that began it
        self.known = Done()
        self.said: list[Event] = []
        self.over = False
        self.failure: BaseException | None = None
        self._source: Events | None = None  # once it has begun
        self._listeners = 1
        self._reading = self._pumping = False
        self._task: asyncio.Task[None] | None = None
        self._news: asyncio.Event | None = None  # there is something new, for who waits

    def lost(self, failure: BaseException) -> None:
        """Nothing comes of it."""
        self._end(failure)

    def told(self, events: Events) -> Events:
        """The answer that has begun, for the request that made it; others may listen."""
        if isinstance(events, Whole) and self._listeners == 1:
            self._end(None)  # it is all there: from now on the cache has it
            return events
        self._source = events
        if self._listeners > 1:
            self._take_over()
        return Listening(self)

    async def joined(self, verbatim: bool) -> Answer | None:
        """The answer for another request, once it has begun; None where it came to nothing for a
        reason of the first one's own. Raises what else it failed with.

        `verbatim`: whether that takes what no stage has taken apart."""
        self._listeners += 1
        try:
            while not (self.over or (self._pumping and self.said)):
                if self._source is not None and self._task is None:
                    self._take_over()
                await self.news()
        except BaseException:
            await self.leave()
            raise
        if self.failure is not None or not self.said:
            await self.leave()
            if isinstance(self.failure, Exception) and not isinstance(self.failure, RateLimited):
                raise self.failure
            return None
        return Answer(Shared(self, verbatim), replace(self.known, cache="shared"))

    async def next(self) -> Event:
        """The next event, for the only one who listens."""
        assert self._source is not None
        self._reading = True
        try:
            event = await anext(self._source)
        except BaseException as error:
            self._reading = False
            self._end(None if isinstance(error, StopAsyncIteration) else error)
            raise
        self._reading = False
        self._hear(event)
        return event

    @property
    def alone(self) -> bool:
        """Whether whoever began it reads it himself."""
        return self._task is None

    async def news(self) -> None:
        """Wait until something has happened."""
        if self._news is None:
            self._news = asyncio.Event()
        await self._news.wait()

    async def leave(self) -> None:
        """One listens no longer; nobody is left to, and the stream is closed."""
        self._listeners -= 1
        if self._listeners or self._source is None or self.over:
            return
        self._close()  # to whoever would join while it ends
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self.over:  # the task had not begun to read
            await self._source.aclose()
            self._end(GeneratorExit())

    def _take_over(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._pump())

    async def _pump(self) -> None:
        while self._reading:
            await self.news()
        if self.over or self._source is None:
            return
        self._pumping = True
        self._tell()
        failure: BaseException | None = ProviderError("The answer was broken off.")
        try:
            async with aclosing(self._source) as events:
                async for event in events:
                    self._hear(event)
            failure = None
        except Exception as error:  # is raised by everybody who listens
            failure = error
        finally:
            self._end(failure)

    def _hear(self, event: Event) -> None:
        self.said.append(event)
        if isinstance(event, Done):
            self._close()
        self._tell()

    def _end(self, failure: BaseException | None) -> None:
        self._close()
        self.over, self.failure = True, failure
        self._tell()

    def _close(self) -> None:
        """Nobody can join any more."""
        if self._open.get(self._key) is self:
            del self._open[self._key]

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news.clear()


class Listening(AsyncGenerator[Event, None]):
    """A flight's events for one listener, who reads on his own while he is the only one."""

    __slots__ = ("_at", "_flight", "_left")

    def __init__(self, flight: Flight) -> None:
        self._flight, self._at, self._left = flight, 0, False

    def __anext__(self) -> Coroutine[Any, Any, Event]:
        """As `asend`; who listens alone gets the reading itself, since each coroutine around it
        would cost every event."""
        if self._flight.alone and not self._flight.over:
            self._at += 1
            return self._flight.next()
        return self.asend(None)

    async def asend(self, value: None) -> Event:
        flight = self._flight
        while self._at >= len(flight.said):
            if flight.over:
                raise flight.failure or StopAsyncIteration
            if flight.alone:
                return await anext(self)
            await flight.news()
        self._at += 1
        return flight.said[self._at - 1]

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None) -> Event:
        await self.aclose()
        raise kind

    async def aclose(self) -> None:
        if not self._left:
            self._left = True
            await self._flight.leave()


class Shared(Listening):
    """The same for who has joined: told as his door takes it, and at no cost."""

    __slots__ = ("_pieces", "_verbatim")

    def __init__(self, flight: Flight, verbatim: bool) -> None:
        super().__init__(flight)
        self._pieces: list[Event] = []  # of an event that was taken apart
        self._verbatim = verbatim

    async def asend(self, value: None) -> Event:
        while not self._pieces:
            self._pieces = self._taken(await super().asend(value))
        return self._pieces.pop(0)

    def _taken(self, event: Event) -> list[Event]:
        if isinstance(event, Done):
            return [replace(event, cache="shared", cost_usd=0.0, spent=())]
        if isinstance(event, Completion):  # its body is whoever's it was made for
            return [*deltas_of(event)]
        if isinstance(event, Verbatim) and not self._verbatim:
            return [*chunks_of(event.data)]
        return [event]
