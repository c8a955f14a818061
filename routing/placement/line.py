"""Who waits for a slot, and who is next.

A priority is a head start in seconds, so that whoever waits gets ahead of all who come later, of
whatever priority; and for who has waited too long, an adapter gives way. State without a clock and
without a lock: gateway/fleet wakes those who are admitted.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from routing.placement.choice import NO_PRIORITIES, placed
from routing.placement.slots import admits, promised
from routing.placement.types import RANK, Knobs, Placement, Priority, Promise, Replica, Wanted

LOOKED_AT = 32  # adapters at the head of the line that are looked at when a slot comes free


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the line."""

    turn: float  # when it came, later by what its priority lacks
    number: int
    since: float = field(compare=False)
    wanted: Wanted = field(compare=False)
    among: frozenset[str] | None = field(compare=False, default=None)  # replicas; None is all

    def usable(self, replicas: Sequence[Replica]) -> Sequence[Replica]:
        if self.among is None:
            return replicas
        return [replica for replica in replicas if replica.name in self.among]


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose turn it is."""

    ticket: Ticket
    placement: Placement


@dataclass(frozen=True, slots=True)
class Drain:
    """A promise, and the replica that gives it."""

    replica: str
    promise: Promise


class Line:
    """Of one gateway, for all replicas of one base model."""

    def __init__(self, knobs: Knobs, priorities: Mapping[str, Priority] = NO_PRIORITIES) -> None:
        self._knobs = knobs
        self._priorities = priorities
        self._tickets: list[Ticket] = []
        self._given = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def passes(self, placement: Placement, adapter: str | None, replica: Replica) -> bool:
        """Whether a newcomer may go at once: nobody who waits could have gone instead."""
        if placement.wait:
            return False
        return not self._tickets or adapter is None or adapter in replica.under_way

    def join(self, wanted: Wanted, now: float, among: frozenset[str] | None = None) -> Ticket:
        """At the end of those of its priority."""
        self._given += 1
        late = RANK[wanted.priority] * self._knobs.head_start
        ticket = Ticket(now + late, self._given, now, wanted, among)
        insort(self._tickets, ticket)
        return ticket

    def quit(self, ticket: Ticket) -> None:
        """It is admitted, or waits no longer."""
        self._tickets.remove(ticket)

    def next(self, replicas: Sequence[Replica], now: float) -> Admission | None:
        """Whoever may go now, and goes thereby: tell the replica's mirror before asking again."""
        seen: set[str | None] = set()
        for ticket in self._tickets:
            if ticket.wanted.adapter in seen:
                continue
            if len(seen) == LOOKED_AT:
                break
            seen.add(ticket.wanted.adapter)
            usable = self._for(ticket, replicas, now)
            placement = placed(ticket.wanted, usable, now, self._knobs, self._priorities)
            if placement is not None and not placement.wait:
                self.quit(ticket)
                return Admission(ticket, placement)
        return None

    def drain(self, replicas: Sequence[Replica], now: float) -> Drain | None:
        """A slot for whoever has waited too long and has no promise yet. Tell the mirror before
        asking again."""
        owed = {p.adapter for r in replicas if (p := promised(r, now)) is not None}
        for ticket in self._tickets:
            adapter = ticket.wanted.adapter
            if adapter is None or adapter in owed or not self._too_long(ticket, now):
                continue
            owed.add(adapter)
            if drain := self._drained(adapter, ticket.usable(replicas), now):
                return drain
        return None

    def _too_long(self, ticket: Ticket, now: float) -> bool:
        return now - ticket.since >= self._knobs.drain_after

    def _for(self, ticket: Ticket, replicas: Sequence[Replica], now: float) -> Sequence[Replica]:
        """Who has waited too long waits no longer by choice, where a slot can be had."""
        usable = ticket.usable(replicas)
        if not self._too_long(ticket, now):
            return usable
        adapter = ticket.wanted.adapter
        return [replica for replica in usable if admits(replica, adapter, now)] or usable

    def _drained(self, adapter: str, replicas: Sequence[Replica], now: float) -> Drain | None:
        """The adapter with the least to finish, of a priority as low as can be, gives way."""
        options = [
            (-RANK[self._priorities.get(name, "medium")], count, replica.name, name)
            for replica in replicas
            if promised(replica, now) is None and adapter not in replica.under_way
            for name, count in replica.under_way.items()
            if name not in replica.pinned
        ]
        if not options:
            return None
        *_, replica_name, name = min(options)
        return Drain(replica_name, Promise(adapter, name, now + self._knobs.drain_for))
