"""What a placement decides by and on: replicas as they are seen, and what is wanted of one.

Values alone. Who gathers them, and shares them between gateways, is gateway/fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Priority: TypeAlias = Literal["critical", "high", "medium", "low"]
"""Whose place is kept. Critical adapters are pinned; of the others a lower one goes first."""
Tier: TypeAlias = Literal["gpu", "loading", "cpu", "disk", "base"]
"""Where a replica has an adapter; `base` is a request that needs none."""


@dataclass(slots=True)
class Costs:
    """Seconds, learned from what a replica does; to begin with, what was measured on others."""

    queue: float = 0.02  # that each request under way adds to the wait for the first token
    from_cpu: float = 0.025  # to bring an adapter from memory into a slot
    from_disk: float = 0.6  # to read it, too
    prefill: float = 1 / 15_000  # for a token of a prompt


@dataclass(slots=True)
class Replica:
    """One engine as it is seen now. Mirrors are ordered: what was used longest ago comes first.

    Not frozen: whoever keeps the mirror changes it in place, between decisions.
    """

    name: str  # its address, and what rendezvous hashing goes by
    slots: int  # adapters that fit into its GPU at once
    cpu_slots: int  # that it keeps in memory, those in the GPU included
    costs: Costs = field(default_factory=Costs)
    in_flight: int = 0  # requests under way, of all gateways
    under_way: dict[str, int] = field(default_factory=dict)  # adapter → requests; none are left out
    gpu: dict[str, None] = field(default_factory=dict)
    cpu: dict[str, None] = field(default_factory=dict)  # those in the GPU included
    loading: dict[str, float] = field(default_factory=dict)  # adapter → when it will be there
    pinned: frozenset[str] = frozenset()
    draining_until: float = 0.0  # no more for what is resident: somebody has waited too long


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request."""

    adapter: str | None  # what engines call it; None is the base model
    priority: Priority = "medium"
    prompt_tokens: int = 0
    cached: Mapping[str, int] = field(default_factory=dict)  # replica → tokens it has seen before


@dataclass(frozen=True, slots=True)
class Placement:
    """The replica that is asked, and why."""

    replica: str
    tier: Tier  # where it has the adapter
    cost: float  # seconds that it was reckoned at, those of others that it delays included
    evicts: str | None = None  # the adapter that gives up its slot
    wait: bool = False  # no slot can be had there now: ask when one is free
