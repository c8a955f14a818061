"""Places on replicas: given out at once where one is free, else in line, and given back once.

Which replica, who is next and who gives way is decided in routing/placement; here somebody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from gateway.errors import ProviderError
from gateway.fleet.view import View
from routing.placement.choice import placed
from routing.placement.line import Line, Ticket
from routing.placement.types import Knobs, Placement, Priority, Replica, Wanted

LOOK_EVERY = 0.25  # seconds between two looks at a line that nothing has moved


class Place:
    """One request's on a replica. However it ends, it is given back exactly once."""

    __slots__ = ("_over", "_places", "_unread", "placement", "replica", "waited", "wanted")

    def __init__(
        self,
        places: Places,
        replica: Replica,
        wanted: Wanted,
        placement: Placement,
        waited: float,
    ) -> None:
        self.replica = replica
        self.wanted = wanted
        self.placement = placement
        self.waited = waited  # seconds in line
        self._places = places
        self._unread = wanted.prompt_tokens
        self._over = False

    def begun(self) -> None:
        """The first of the answer is there."""
        if not self._over:
            self._places.view.answering(self.replica, self.wanted.adapter, self._unread)
            self._unread = 0

    def over(self) -> None:
        """It is free."""
        if not self._over:
            self._over = True
            self._places.view.left(self.replica, self.wanted.adapter, self._unread)
            self._places.move()


class Places:
    """Those of all replicas of one provider, for as long as a configuration holds; who waits then
    is served by them afterwards, too."""

    def __init__(
        self, view: View, replicas: Sequence[Replica], knobs: Knobs, *, most: int, longest: float
    ) -> None:
        self.view = view
        self._replicas = replicas
        self.priorities: dict[str, Priority] = {}  # of adapters that were asked for
        self._knobs = knobs
        self._most = most  # that may wait
        self._longest = longest  # seconds that each of them may
        self._line = Line(knobs, self.priorities)
        self._waiting: dict[Ticket, asyncio.Future[Place]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> Mapping[str | None, int]:
        """How many wait for each adapter."""
        counts: dict[str | None, int] = {}
        for ticket in self._waiting:
            counts[ticket.wanted.adapter] = counts.get(ticket.wanted.adapter, 0) + 1
        return counts

    async def taken(self, wanted: Wanted, replicas: Sequence[Replica]) -> Place:
        """A place on one of these, which are not none. Raises ProviderError where the line is too
        long, or does not move."""
        now = self.view.now()
        placement = placed(wanted, replicas, now, self._knobs, self.priorities)
        assert placement is not None, "a place on no replica is not asked for"
        replica = next(each for each in replicas if each.name == placement.replica)
        if self._line.passes(placement, wanted.adapter, replica):
            return self._given(wanted, placement, replica, 0.0)
        if len(self._line) >= self._most:
            raise self._full(wanted, "too many wait for one")
        return await self._in_line(wanted, frozenset(each.name for each in replicas), now)

    def move(self) -> None:
        """Whoever can go goes: something was given back."""
        if not self._line:
            return
        replicas, now = self._replicas, self.view.now()
        while admission := self._line.next(replicas, now):
            ticket = admission.ticket
            waiting = self._waiting.pop(ticket)
            if waiting.done():  # it has left, and only does not know yet
                continue
            replica = next(r for r in replicas if r.name == admission.placement.replica)
            waited = now - ticket.since
            place = self._given(ticket.wanted, admission.placement, replica, waited)
            waiting.set_result(place)
        while drain := self._line.drain(replicas, now):
            replica = next(each for each in replicas if each.name == drain.replica)
            self.view.promised(replica, drain.promise)
        if self._line and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._timer = None
        self.move()

    def _given(
        self, wanted: Wanted, placement: Placement, replica: Replica, waited: float
    ) -> Place:
        for adapter in placement.touch:
            self.view.touched(replica, adapter)  # it will be used before the new one is loaded
        self.view.entered(replica, wanted.adapter, wanted.prompt_tokens)
        return Place(self, replica, wanted, placement, waited)

    async def _in_line(self, wanted: Wanted, among: frozenset[str], now: float) -> Place:
        ticket = self._line.join(wanted, now, among)
        waiting = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        self.move()
        try:
            async with asyncio.timeout(self._longest):
                place: Place = await waiting
        except TimeoutError:
            self._given_up(ticket, waiting)
            raise self._full(wanted, f"none came free in {self._longest:g} s") from None
        except BaseException:
            self._given_up(ticket, waiting)
            raise
        return place

    def _given_up(self, ticket: Ticket, waiting: asyncio.Future[Place]) -> None:
        """It stands in line no longer; a place that it was given too late goes to others, and so
        does a slot that it was promised."""
        if waiting.done() and not waiting.cancelled():
            waiting.result().over()
        if self._waiting.pop(ticket, None) is not None:
            self._line.quit(ticket)
        adapter = ticket.wanted.adapter
        if adapter not in self.waiting:
            for replica in self._replicas:
                if replica.promise is not None and replica.promise.adapter == adapter:
                    self.view.promised(replica, None)
        self.move()

    def _full(self, wanted: Wanted, why: str) -> ProviderError:
        what = f"slot for the adapter {wanted.adapter}" if wanted.adapter else "seat"
        return ProviderError(
            f"{self.view.provider} has no {what} free: {why}.",
            retryable=False,
            retry_after=self._knobs.drain_after,
        )
