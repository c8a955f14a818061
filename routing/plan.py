"""From a model's name and a request's features to targets in order: a decision, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from routing.config import RoutingConfig, Rule
from routing.features import Features
from routing.types import Plan, Target

AUTO = "auto"


class NoSuchModel(Exception):
    """No alias and no provider has this model."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that can be named: targets as `provider/model`, and aliases for lists of those."""

    targets: Mapping[str, Target]
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every name that a request may use, `auto` first."""
        return [AUTO, *self.aliases, *self.targets]

    def resolve(self, name: str) -> list[Target]:
        """An alias, `provider/model`, or a model's bare name, which the first provider serves."""
        if name in self.aliases:
            return _distinct(t for each in self.aliases[name] for t in self.resolve(each))
        if name in self.targets:
            return [self.targets[name]]
        bare = [target for target in self.targets.values() if target.model == name]
        if bare:
            return bare
        raise NoSuchModel(name)

    def first_of_each_provider(self) -> list[Target]:
        first: dict[str, Target] = {}
        for target in self.targets.values():
            first.setdefault(target.provider, target)
        return list(first.values())


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
        chosen, reason = catalogue.resolve(model), "named"
    elif rule := next((rule for rule in config.rules if _holds(rule, seen)), None):
        chosen, reason = _all(catalogue, rule.use), f"rule:{rule.name}"
    elif config.default:
        chosen, reason = _all(catalogue, config.default), "default"
    else:
        chosen, reason = catalogue.first_of_each_provider(), "default"
    targets = _distinct([*chosen, *_all(catalogue, config.last_resort)])
    if allowed:
        targets = [t for t in targets if {model, t.name, t.model} & set(allowed)]
    if not targets:
        raise NoSuchModel(model)
    return Plan(tuple(targets), reason)


def _holds(rule: Rule, seen: Features) -> bool:
    return (
        (not rule.tasks or seen.task in rule.tasks)
        and (rule.complexity is None or rule.complexity == seen.complexity)
        and (rule.grounded is None or rule.grounded == seen.grounded)
        and (rule.min_tokens is None or seen.tokens >= rule.min_tokens)
    )


def _all(catalogue: Catalogue, names: Sequence[str]) -> list[Target]:
    return [target for name in names for target in catalogue.resolve(name)]


def _distinct(targets: Iterable[Target]) -> list[Target]:
    return list(dict.fromkeys(targets))
