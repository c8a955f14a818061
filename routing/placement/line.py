"""Who waits for a slot, and who is next.

A priority is a head start in seconds, so that whoever waits gets ahead of all who come later, of
whatever priority; and for who has waited too long, an adapter gives way. State without a clock and
without a lock: gateway/fleet wakes those who are admitted.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from routing.placement.choice import NO_PRIORITIES, placed
from routing.placement.slots import promised
from routing.placement.types import RANK, Knobs, Placement, Priority, Promise, Replica, Wanted

LOOKED_AT = 32  # adapters at the head of the line that are looked at when something moves


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
            placement = self._placed(ticket, replicas, now)
            if placement is not None and not placement.wait:
                self.quit(ticket)
                return Admission(ticket, placement)
        return None

    def drain(self, replicas: Sequence[Replica], now: float) -> Drain | None:
        """A slot for whoever has waited too long and has no promise yet, where it would be best
        served. Tell the mirror before asking again."""
        owed = {p.adapter for r in replicas if (p := promised(r, now)) is not None}
        if all(promised(replica, now) is not None for replica in replicas):
            return None  # nobody has another one to give, however many wait
        looked_at = 0
        for ticket in self._tickets:
            adapter = ticket.wanted.adapter
            waited = now - ticket.since
            if adapter is None or adapter in owed or waited < self._knobs.drain_after:
                continue
            if looked_at == LOOKED_AT:
                break
            looked_at += 1
            owed.add(adapter)
            placement = self._placed(ticket, replicas, now)
            best = [r for r in replicas if placement and r.name == placement.replica]
            if best and (drain := self._drained(best[0], adapter, now)):
                return drain
        return None

    def _placed(self, ticket: Ticket, replicas: Sequence[Replica], now: float) -> Placement | None:
        wanted = replace(ticket.wanted, waited=now - ticket.since)
        return placed(wanted, ticket.usable(replicas), now, self._knobs, self._priorities)

    def _drained(self, replica: Replica, adapter: str, now: float) -> Drain | None:
        """The adapter with the least to finish, of a priority as low as can be, gives way."""
        if promised(replica, now) is not None or adapter in replica.under_way:
            return None
        options = [
            (-RANK[self._priorities.get(name, "medium")], requests, name)
            for name, requests in replica.under_way.items()
            if name not in replica.pinned
        ]
        if not options:
            return None
        instead_of = min(options)[-1]
        return Drain(replica.name, Promise(adapter, instead_of, now + self._knobs.drain_for))
