"""What a route is: groups of targets in the order in which they are tried, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Balance: TypeAlias = Literal["latency", "least-busy", "weighted", "cheapest"]
"""How one of a group's targets is chosen."""
Strategy: TypeAlias = Literal[
    "chain_of_thought",
    "self_consistency",
    "draft_critique_revise",
    "decompose",
    "best_of_n",
    "escalating_temperature",
]
"""A way to an answer that takes several calls."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target takes before it refuses; None is not known."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A model of a provider, as configured."""

    provider: str  # name in the configuration
    model: str  # name that the provider knows
    window: int  # tokens of prompt and answer together
    max_output: int  # tokens reserved for the answer where the caller names none
    region: str = ""  # where it runs
    limits: Limits = Limits()
    quality: float | None = None  # how good its answers are, 0 to 1, as the operator says
    latency: float | None = None  # seconds until it answers, as the operator says
    built_in: bool = False  # quotes documents within this process: nothing leaves it
    adapts: str = ""  # the model that it is an adapter of, as provider/model
    name: str = field(init=False, compare=False)  # provider/model; made once, read on every request
    configured: str = field(init=False, compare=False)
    """The model that the configuration describes: itself, or what it is an adapter of."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider}/{self.model}")
        object.__setattr__(self, "configured", self.adapts or self.name)

    @property
    def keeps_place(self) -> bool:
        """Whether it only stands where an adapter is put that depends on who asks."""
        return not self.provider

    def runs_in(self, region: str) -> bool:
        """Whether what it is sent stays in a region."""
        return self.built_in or lies_in(self.region, region)


def lies_in(place: str, region: str) -> bool:
    """`EU-west` lies in `EU`; a place that nobody named lies nowhere."""
    where, wanted = place.casefold(), region.casefold()
    return where == wanted or where.startswith(f"{wanted}-")


@dataclass(frozen=True, slots=True)
class Group:
    """One model to the caller: targets that stand in for each other, any of which may answer."""

    name: str
    targets: tuple[Target, ...]
    balance: Balance = "latency"
    weights: tuple[float, ...] = ()  # of the targets; empty is all alike

    def only(self, keep: Iterable[Target]) -> Group:
        """The same group without the targets that are not kept."""
        kept = set(keep)
        places = [place for place, target in enumerate(self.targets) if target in kept]
        return Group(
            self.name,
            tuple(self.targets[place] for place in places),
            self.balance,
            tuple(self.weights[place] for place in places) if self.weights else (),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Groups, first choice first, and the rule that chose."""

    groups: tuple[Group, ...]
    reason: str
    strategy: Strategy | None = field(default=None, kw_only=True)
    prompt: str | None = field(default=None, kw_only=True)  # told before the client's instructions
    stronger: Plan | None = field(default=None, kw_only=True)
    """What is asked where its answer turns out to be doubtful."""
    within: tuple[str, ...] = field(default=(), kw_only=True)
    """Regions in which all that is done for the answer from here on stays, those of rules too."""
    secret: bool = field(default=False, kw_only=True)  # who asks may not know all by their names
    targets: tuple[Target, ...] = field(init=False)  # of all groups, in order
    window: int = field(init=False)  # the smallest of all targets, so that a fallback's fits too

    def __post_init__(self) -> None:
        flat = tuple(target for group in self.groups for target in group.targets)
        object.__setattr__(self, "targets", flat)
        object.__setattr__(self, "window", min((target.window for target in flat), default=0))

    @classmethod
    def chain(cls, targets: Iterable[Target], reason: str) -> Plan:
        """Targets that are tried one after another."""
        return cls(tuple(Group(target.name, (target,)) for target in targets), reason)

    def after(self, target: Target) -> Plan:
        """What is left when a target has failed: the others of its group, then the groups below."""
        place = next((i for i, each in enumerate(self.groups) if target in each.targets), -1)
        groups = list(self.groups[max(place, 0) :])
        if place >= 0:
            rest = groups[0].only(t for t in groups[0].targets if t != target)
            groups[:1] = [rest] if rest.targets else []
        return self.regrouped(groups)

    def regrouped(self, groups: Iterable[Group]) -> Plan:
        """The same plan with other groups; those that are left without targets are gone."""
        return replace(self, groups=tuple(group for group in groups if group.targets))

    def unnamed(self) -> Plan:
        """The same plan for who may not know all its models by their names."""
        stronger = self.stronger.unnamed() if self.stronger else None
        return replace(self, secret=True, stronger=stronger)

    def tried(self, strategy: Strategy) -> Plan:
        """The same plan by another strategy."""
        stronger = self.stronger.tried(strategy) if self.stronger else None
        return replace(self, strategy=strategy, stronger=stronger)

    def staying(self, regions: Sequence[str]) -> Plan:
        """The same plan with what runs in all of these regions."""
        if not regions:
            return self
        return self.regrouped(
            group.only(t for t in group.targets if all(map(t.runs_in, regions)))
            for group in self.groups
        )

    @property
    def max_output(self) -> int:
        return min(target.max_output for target in self.targets)
