"""Every model that can be named, and the groups of targets that a name leads to.

Adapters come and go, and which one a name means depends on who asks: `adapter:NAME` leads to a
place that is kept for it, and is filled for each request (routing/policy.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from routing.choice import By
from routing.config import ModelAlias
from routing.types import Group, Target

AUTO = "auto"
AUTO_BY: Mapping[str, By] = {f"{AUTO}:{by}": by for by in get_args(By)}
"""Names that leave the choice among all models to one figure."""
ADAPTER = "adapter:"
"""Before the name of an adapter, where a model is named."""


class NoSuchModel(Exception):
    """No alias and no provider has this model."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that can be named: targets as `provider/model`, and aliases for groups of those."""

    targets: Mapping[str, Target]
    aliases: Mapping[str, ModelAlias] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every name that a request may use, `auto` first."""
        return [AUTO, *AUTO_BY, *self.models()]

    def models(self) -> list[str]:
        """Every name of one model, or of several that stand in for each other."""
        return [*self.aliases, *self.targets]

    def resolve(self, name: str) -> list[Target]:
        """Every target that a name may lead to, in order."""
        return [target for group in self.groups(name) for target in group.targets]

    def groups(self, name: str) -> list[Group]:
        """An alias, `provider/model`, or a model's bare name: whoever serves it, in order.

        No target is in two groups, so that none is tried again after it has failed."""
        return distinct(self._groups(name))

    def adapters(self, name: str) -> list[str]:
        """The adapters that a name may lead to. Raises NoSuchModel."""
        return [target.model for target in self.resolve(name) if target.keeps_place]

    def quality(self, name: str) -> float | None:
        """What is declared of an alias; that of its models is theirs."""
        alias = self.aliases.get(name)
        return alias.quality if alias else None

    def apart(self) -> list[Group]:
        """Every model once: the deployments of one model together, by their alias, others alone."""
        pools = [self.groups(name)[0] for name, alias in self.aliases.items() if alias.balance]
        return distinct([*pools, *map(_alone, self.targets.values())])

    def first_of_each_provider(self) -> list[str]:
        first: dict[str, str] = {}
        for name, target in self.targets.items():
            first.setdefault(target.provider, name)
        return list(first.values())

    def _groups(self, name: str) -> list[Group]:
        if alias := self.aliases.get(name):
            return self._of_alias(name, alias)
        if name in self.targets:
            return [_alone(self.targets[name])]
        if name.startswith(ADAPTER):
            return [_alone(_place_of(name.removeprefix(ADAPTER)))]
        bare = [_alone(target) for target in self.targets.values() if target.model == name]
        if bare:
            return bare
        raise NoSuchModel(name)

    def _of_alias(self, name: str, alias: ModelAlias) -> list[Group]:
        below = [group for each in alias.fallbacks for group in self._groups(each)]
        if alias.balance is None:
            chain = [group for each in alias.deployments for group in self._groups(each.to)]
            return [*chain, *below]
        weights: dict[Target, float] = {}
        for each in alias.deployments:
            for target in self.resolve(each.to):
                weights.setdefault(target, each.weight)
        group = Group(name, tuple(weights), alias.balance, tuple(weights.values()))
        return [group, *below]


def _alone(target: Target) -> Group:
    return Group(target.name, (target,))


def _place_of(adapter: str) -> Target:
    return Target(provider="", model=adapter, window=0, max_output=0)


def distinct(groups: Iterable[Group]) -> list[Group]:
    """Each target where it comes first; groups that are left without any are gone."""
    seen: set[Target] = set()
    distinct = []
    for group in groups:
        if not seen.isdisjoint(group.targets):
            group = group.only(set(group.targets) - seen)
        seen.update(group.targets)
        if group.targets:
            distinct.append(group)
    return distinct
