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

RANK: Mapping[Priority, int] = {"critical": 0, "high": 1, "medium": 2, "low": 3}
"""The higher, the sooner it goes and the longer it waits."""


@dataclass(slots=True)
class Costs:
    """Seconds, learned from what a replica does; to begin with, what was measured on others."""

    queue: float = 0.02  # that each request under way adds to the wait for the first token
    from_cpu: float = 0.025  # to bring an adapter from memory into a slot
    from_disk: float = 0.6  # to read it, too
    prefill: float = 1 / 15_000  # for a token of a prompt


@dataclass(frozen=True, slots=True)
class Promise:
    """A slot for whoever waited too long: the next that comes free, and one adapter gives way."""

    adapter: str  # who gets the slot
    instead_of: str  # who is sent nothing more until then
    until: float  # when it lapses, as whoever gave it may be gone


@dataclass(frozen=True, slots=True)
class Assumed:
    """What other gateways may have sent and have not told yet."""

    requests: int
    tokens: int
    until: float


@dataclass(slots=True)
class Replica:
    """One engine as it is seen now. Mirrors are ordered: what was used longest ago comes first.

    Not frozen: routing/placement/mirror.py changes it in place, between decisions.
    """

    name: str  # its address, and what rendezvous hashing goes by
    slots: int  # adapters that fit into its GPU at once
    cpu_slots: int  # that it keeps in memory, those in the GPU included
    seats: int = 256  # requests that it works on at once (vLLM's max_num_seqs)
    costs: Costs = field(default_factory=Costs)
    in_flight: int = 0  # requests under way, of all gateways
    unread: int = 0  # tokens of their prompts of which no first token of an answer has come
    under_way: dict[str, int] = field(default_factory=dict)  # adapter → requests; none are left out
    gpu: dict[str, float] = field(default_factory=dict)  # adapter → when it was used last
    cpu: dict[str, None] = field(default_factory=dict)  # those in the GPU included
    loading: dict[str, float] = field(default_factory=dict)  # adapter → when it will be there
    pinned: frozenset[str] = frozenset()
    promise: Promise | None = None
    assumed: tuple[Assumed, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request."""

    adapter: str | None  # what engines call it; None is the base model
    priority: Priority = "medium"
    prompt_tokens: int = 0
    cached: Mapping[str, int] = field(default_factory=dict)  # replica → tokens it has seen before
    waited: float = 0.0  # seconds, for a slot


@dataclass(frozen=True, slots=True)
class Placement:
    """The replica that is asked, and why."""

    replica: str
    tier: Tier  # where it has the adapter
    cost: float  # seconds that it was reckoned at, those of others that it delays included
    evicts: str | None = None  # the adapter that gives up its slot
    touch: tuple[str, ...] = ()  # to be used first, since engines evict what was used longest ago
    wait: bool = False  # no slot can be had there now: ask when one is free


@dataclass(frozen=True, slots=True)
class Knobs:
    """What is weighed against what. Chosen in simulation: `moorline bench lora`."""

    reading: float = (
        2.0  # times the seconds that prompts ahead take to be read, as steps write, too
    )
    others: float = 0.3  # a second's delay of somebody else's request, in seconds of one's own
    slot_wait: float = 0.5  # seconds until a slot comes free, where none is
    waits_on: float = 0.5  # or this part of what a request has waited already, where that is more
    evict: float = 3.0  # times the seconds that it takes to bring back what is evicted
    bound: float = 2.0  # times the mean load that no replica exceeds while another can be had
    few: int = 8  # requests under way that are never too many
    tie: float = 0.001  # seconds that are no difference
    stale: float = 60.0  # seconds unused, after which a priority keeps no slot
    head_start: float = 1.0  # seconds that each rank of priority is ahead in the line
    drain_after: float = 2.0  # seconds in the line, after which an adapter gives way
    drain_for: float = 10.0  # seconds until a promise lapses, unless it is given again
