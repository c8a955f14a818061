"""Where critical adapters are kept for good: on the first replicas of their rendezvous order that
have room for a pin, and never in more than a part of the slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routing.placement.rendezvous import ranked

COPIES = 2  # replicas that a critical adapter is kept on, so that one may be lost
SHARE = 0.3  # of a replica's slots


@dataclass(frozen=True, slots=True)
class Pins:
    """Who keeps what; and what is kept on fewer replicas than it should be, which is refused where
    it would be added."""

    kept: Mapping[str, frozenset[str]]  # replica → adapters
    short: tuple[str, ...]  # adapters


def room(slots: int) -> int:
    """Pins that a replica has room for: one at least, unless it would be the only slot."""
    return max(int(SHARE * slots), min(1, slots - 1))


def pins(critical: Iterable[str], slots: Mapping[str, int]) -> Pins:
    """The pins of these adapters, in order: who comes first is placed first, and never moved by
    who comes later."""
    kept: dict[str, set[str]] = {name: set() for name in slots}
    names = tuple(sorted(slots))
    copies = min(COPIES, len(names))
    short = []
    for adapter in dict.fromkeys(critical):
        free = [name for name in ranked(adapter, names) if len(kept[name]) < room(slots[name])]
        for name in free[:copies]:
            kept[name].add(adapter)
        if len(free) < copies:
            short.append(adapter)
    return Pins({name: frozenset(adapters) for name, adapters in kept.items()}, tuple(short))
