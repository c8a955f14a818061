"""From a model's name and a request's features to targets in order: a decision, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from routing.config import ModelAlias, RoutingConfig, Rule
from routing.features import Features
from routing.types import Group, Plan, Target

AUTO = "auto"


class NoSuchModel(Exception):
    """No alias and no provider has this model."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that can be named: targets as `provider/model`, and aliases for groups of those."""

    targets: Mapping[str, Target]
    aliases: Mapping[str, ModelAlias] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every name that a request may use, `auto` first."""
        return [AUTO, *self.aliases, *self.targets]

    def resolve(self, name: str) -> list[Target]:
        """Every target that a name may lead to, in order."""
        return [target for group in self.groups(name) for target in group.targets]

    def groups(self, name: str) -> list[Group]:
        """An alias, `provider/model`, or a model's bare name: whoever serves it, in order.

        No target is in two groups, so that none is tried again after it has failed."""
        return _distinct(self._groups(name))

    def first_of_each_provider(self) -> list[Group]:
        first: dict[str, Target] = {}
        for target in self.targets.values():
            first.setdefault(target.provider, target)
        return [_alone(target) for target in first.values()]

    def _groups(self, name: str) -> list[Group]:
        if alias := self.aliases.get(name):
            return self._of_alias(name, alias)
        if name in self.targets:
            return [_alone(self.targets[name])]
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


def plan(
    model: str,
    seen: Features | None,
    catalogue: Catalogue,
    config: RoutingConfig,
    allowed: Sequence[str] = (),
) -> Plan:
    """Which targets, in what order. A name that is given is respected; `auto` asks the rules, and
    only then what the request looks like matters.

    Raises NoSuchModel, also for a model that the caller may not use.
    """
    if model != AUTO or seen is None:
        chosen, reason = catalogue.groups(model), "named"
    elif rule := next((rule for rule in config.rules if _holds(rule, seen)), None):
        chosen, reason = _all(catalogue, rule.use), f"rule:{rule.name}"
    elif config.default:
        chosen, reason = _all(catalogue, config.default), "default"
    else:
        chosen, reason = catalogue.first_of_each_provider(), "default"
    groups = [*chosen, *_all(catalogue, config.last_resort)]
    if allowed and model not in allowed:
        groups = [g.only(t for t in g.targets if {t.name, t.model} & set(allowed)) for g in groups]
    groups = _distinct(groups)
    if not groups:
        raise NoSuchModel(model)
    return Plan(tuple(groups), reason)


def _holds(rule: Rule, seen: Features) -> bool:
    return (
        (not rule.tasks or seen.task in rule.tasks)
        and (rule.complexity is None or rule.complexity == seen.complexity)
        and (rule.grounded is None or rule.grounded == seen.grounded)
        and (rule.min_tokens is None or seen.tokens >= rule.min_tokens)
    )


def _all(catalogue: Catalogue, names: Sequence[str]) -> list[Group]:
    return [group for name in names for group in catalogue.groups(name)]


def _alone(target: Target) -> Group:
    return Group(target.name, (target,))


def _distinct(groups: Iterable[Group]) -> list[Group]:
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
