"""Workers elsewhere, each of whom may be gone at any moment: another then does what it had in hand.

Work is a pure function of what is sent, so doing it twice does no harm. Work that is lost again and
again may be what kills its workers: it is tried alone, and then given up. It knows no cluster.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from retrieval.ingestion.engines.types import Say
from retrieval.types import RetrievalError

T = TypeVar("T")

Kind: TypeAlias = Literal["read", "embed"]
PLACES = 2
"""Pieces of work of one kind that a worker has at once: while it does one, the next arrives."""
COMPANY, TRIES = 2, 4
"""Of the tries, the first are made beside other work, so that a lost node is soon made up for."""
_HIRES = 3
"""Workers of whom not one has begun, after which it is no accident."""
_LONGEST_PAUSE = 10  # seconds between two hires
_PATIENCE = 15.0  # seconds without any worker, after which that is said


class Lost(Exception):
    """A worker is gone; the message says how that showed."""


class Worker(Protocol):
    """One of the crew."""

    @property
    def where(self) -> str:
        """The machine, as people know it."""
        ...

    def dismiss(self) -> None:
        """It is not needed any more, or is to be trusted no more."""
        ...


W = TypeVar("W", bound=Worker)


@dataclass(eq=False, slots=True)
class _Seat(Generic[W]):
    """A worker with what it has in hand."""

    worker: W
    busy: Counter[Kind] = field(default_factory=Counter)

    @property
    def load(self) -> int:
        return self.busy.total()


@dataclass(eq=False, slots=True)
class _Call(Generic[W]):
    """Somebody who waits for a worker."""

    kind: Kind
    seat: asyncio.Future[_Seat[W]]


class Crew(Generic[W]):
    """Shares work out among workers, hires others for those who are lost.

    `hire` waits until a worker is ready; it raises Lost where that comes to nothing, and
    RetrievalError where no other would fare better."""

    def __init__(self, hire: Callable[[], Awaitable[W]], size: int, say: Say) -> None:
        self._hire, self._say = hire, say
        self._seats: list[_Seat[W]] = []
        self._waiting: dict[Kind, deque[_Call[W]]] = {"read": deque(), "embed": deque()}
        self._alone: deque[_Call[W]] = deque()
        self._kept: _Seat[W] | None = None
        """Gets no more work until it has none, and is then for one who waits to be alone."""
        self._broken: RetrievalError | None = None
        self._failed = 0  # hires, since one came to something
        self._hiring = {asyncio.ensure_future(self._fill()) for _ in range(size)}
        self._watch = asyncio.ensure_future(self._tell())

    @property
    def workers(self) -> list[W]:
        """Who is there."""
        return [seat.worker for seat in self._seats]

    async def do(self, kind: Kind, work: Callable[[W], Awaitable[T]]) -> T:
        """Have one of them do it. Raises Lost for what is lost each time, and RetrievalError."""
        tries = 0
        while True:
            tries += 1
            seat = await self._seat(kind, alone=tries > COMPANY)
            try:
                return await work(seat.worker)
            except Lost as error:
                self._lose(seat, str(error))
                if tries == TRIES:
                    raise
            finally:
                seat.busy[kind] -= 1
                self._serve()

    async def aclose(self) -> None:
        """Dismiss all, whatever they do."""
        tasks = (*self._hiring, self._watch)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for seat in self._seats:
            seat.worker.dismiss()
        self._seats.clear()

    async def _seat(self, kind: Kind, alone: bool) -> _Seat[W]:
        """A worker with room, where this work counts already."""
        if self._broken:
            raise self._broken
        call = _Call[W](kind, asyncio.get_running_loop().create_future())
        (self._alone if alone else self._waiting[kind]).append(call)
        self._serve()
        try:
            return await call.seat
        except asyncio.CancelledError:
            if call.seat.done() and not call.seat.cancelled():
                call.seat.result().busy[kind] -= 1
                self._serve()
            raise

    def _serve(self) -> None:
        """Give work to whoever has room for it."""
        if _first(self._alone):
            if self._kept is None and self._seats:
                self._kept = min(self._seats, key=lambda seat: seat.load)
            if self._kept and not self._kept.load:
                self._give(self._alone.popleft(), self._kept)
        elif self._kept and not self._kept.load:
            self._kept = None
        for kind, waiting in self._waiting.items():
            while _first(waiting) and (seat := self._room(kind)):
                self._give(waiting.popleft(), seat)

    def _room(self, kind: Kind) -> _Seat[W] | None:
        """Who has least to do, if that is little enough."""
        seats = [seat for seat in self._seats if seat is not self._kept]
        seat = min(seats, key=lambda seat: (seat.busy[kind], seat.load), default=None)
        return seat if seat and seat.busy[kind] < PLACES else None

    def _give(self, call: _Call[W], seat: _Seat[W]) -> None:
        seat.busy[call.kind] += 1
        call.seat.set_result(seat)

    def _lose(self, seat: _Seat[W], why: str) -> None:
        if seat not in self._seats:
            return  # somebody else has noticed before
        self._seats.remove(seat)
        if self._kept is seat:
            self._kept = None
        seat.worker.dismiss()
        self._say(f"A worker on {seat.worker.where} is lost ({why}); its work is done again.")
        self._hiring.add(asyncio.ensure_future(self._fill()))

    async def _fill(self) -> None:
        """Hire somebody, however often it takes."""
        while not self._broken:
            try:
                worker = await self._hire()
            except Lost as error:
                self._failed += 1
                if self._failed == _HIRES and not self._seats:
                    self._break(RetrievalError(f"No worker comes to work: {error}"))
                await asyncio.sleep(min(self._failed, _LONGEST_PAUSE))
            except RetrievalError as error:
                self._break(error)
            except Exception as error:  # whatever it is, nobody may wait for a worker for good
                self._break(RetrievalError(f"No worker can be hired: {error!r}"))
            else:
                self._failed = 0
                self._seats.append(_Seat(worker))
                self._serve()
                return

    def _break(self, error: RetrievalError) -> None:
        """Nothing can be done any more."""
        self._broken = error
        for calls in (self._alone, *self._waiting.values()):
            while call := _first(calls):
                calls.popleft()
                call.seat.set_exception(error)

    async def _tell(self) -> None:
        """Say that there is nobody, where it lasts."""
        told = False
        while True:
            await asyncio.sleep(_PATIENCE)
            if not self._seats and not told:
                self._say("No worker is there; waiting until the cluster has room for one.")
            told = not self._seats


def _first(calls: deque[_Call[W]]) -> _Call[W] | None:
    """The first who has not gone away meanwhile."""
    while calls and calls[0].seat.done():
        calls.popleft()
    return calls[0] if calls else None
