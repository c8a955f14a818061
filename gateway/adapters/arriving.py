"""An adapter's way from where it lies to the shelf: fetched, looked over, placed.

Blocking, so called in a thread. Who may use it, and under which name, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.adapters.shelf import Shelf
from gateway.adapters.sources.types import Source
from gateway.adapters.types import Facts
from gateway.adapters.validation.base import Base
from gateway.adapters.validation.check import RANKS, checked


@dataclass(frozen=True, slots=True)
class Arrival:
    """What has come."""

    source: str  # where from, for good
    facts: Facts


def arrived(
    source: Source, shelf: Shelf, base: Base | None = None, *, max_rank: int = RANKS[-1]
) -> Arrival:
    """Take an adapter in, if engines of this base model and largest rank can serve it.

    What was here before is found here again. Raises BadAdapter, SourceAway."""
    with shelf.room() as room:
        where = source.fetch(room)
        # It is read whole for its digest anyway, so its numbers are looked at, too.
        facts = checked(room, base, max_rank=max_rank, finite=True)
        shelf.put(room, facts.digest)
    return Arrival(where, facts)
