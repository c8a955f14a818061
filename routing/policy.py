"""From a model's name and a request's signals to targets in order: a decision, no I/O.

A name that is given is respected. `auto` asks the rules, then what the task has of its own, then
whether the cheap model will do, then the default; the first of these that leaves a model which may
be asked decides. What a request cannot do without holds for all of them, and for what is tried
when they fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from routing.catalogue import AUTO, AUTO_BY, Catalogue, NoSuchModel, distinct
from routing.choice import By, Choice, Outlook, Weights, expected, ordered
from routing.config import RoutingConfig, Rule, TaskRoute
from routing.constraints import Excluded, Needs, NothingFits
from routing.rules import Signals, condition, holds, names
from routing.types import Group, Plan, Strategy, Target

Enough: TypeAlias = Callable[[float], bool]
"""Whether so high a probability that the cheap model will do is enough to ask it."""


@dataclass(frozen=True, slots=True)
class Route:
    """A plan, and how it came about."""

    plan: Plan
    choices: tuple[Choice, ...] = ()  # in their order, before the last resort
    excluded: tuple[Excluded, ...] = ()  # of all that would have come before


@dataclass(frozen=True, slots=True)
class _Step:
    """One way to decide: candidates by tiers, the first of which is tried first; in a cascade each
    is stronger than the one before."""

    reason: str
    tiers: tuple[Sequence[Choice], ...]
    by: By | Weights | None = None
    region: str = ""
    strategy: Strategy | None = None
    cascade: bool = False
    prompt: str | None = None


class Policy:
    """The configured routing, its rules read once."""

    def __init__(
        self, catalogue: Catalogue, config: RoutingConfig, enough: Enough | None = None
    ) -> None:
        """`enough` reads `p_cheap`; where there is none, the question's words decide."""
        self.catalogue = catalogue
        self._config = config
        self._enough = enough
        self._rules = [(rule, condition(rule.when)) for rule in config.rules]
        weights = Weights(config.weights.cost, config.weights.latency, config.weights.quality)
        self._weights = weights if weights != Weights() else None
        self._apart = [Choice(group.name, (group,)) for group in catalogue.apart()]
        self.asked = asked(config)

    def route(self, model: str, signals: Signals, needs: Needs, outlook: Outlook) -> Route:
        """Which targets, in what order. Of a name that is given only the needs are looked at.

        Raises NoSuchModel, also for a model that the caller may not use, and NothingFits.
        """
        sieve = _Sieve(self._reaching(model, needs) if needs.allowed else needs)
        tiers: list[list[Choice]] = []
        for step in self._steps(model, signals):
            if step.region:
                sieve.needs = replace(sieve.needs, regions=(*sieve.needs.regions, step.region))
            found = (self._tier(tier, step.by, sieve, outlook) for tier in step.tiers)
            if tiers := [tier for tier in found if tier]:
                break
        names = self._config.last_resort
        last = sieve.kept(group for name in names for group in self.catalogue.groups(name))
        if not (tiers or last):
            raise sieve.nothing_left(model)
        choices = tuple(choice for tier in tiers for choice in tier)
        plan = _plan(step, tiers, last)
        if sieve.needs.regions != needs.regions:
            plan = replace(plan, within=sieve.needs.regions)
        if not all(map(needs.names, plan.targets)):
            plan = plan.unnamed()
        return Route(plan, choices, tuple(sieve.excluded.values()))

    def held(self, signals: Signals) -> list[tuple[Rule, bool]]:
        """Every rule, and whether it holds."""
        return [(rule, holds(when, signals)) for rule, when in self._rules]

    def _reaching(self, model: str, needs: Needs) -> Needs:
        """The same with the targets that the allowed names lead to: those of an alias whatever is
        asked, those of `auto` and its like where they are what is asked.

        Raises NoSuchModel for a target's own name that is not allowed itself."""
        catalogue, config, found = self.catalogue, self._config, set[str]()
        automatic = model == AUTO or model in AUTO_BY

        def meant(name: str) -> list[Target]:
            return [each for t in catalogue.resolve(name) if (each := needs.filled(t))]

        found.update(each.name for name, each in needs.adapters.items() if needs.lists(name))
        if not (automatic or model in catalogue.aliases):
            if not any(needs.names(each) or each.name in found for each in meant(model)):
                raise NoSuchModel(model)
        elif automatic and model in needs.allowed:
            others = config.default or catalogue.first_of_each_provider()
            everything = catalogue.targets if model in AUTO_BY else (*config.named, *others)
            found.update(each.name for name in everything for each in meant(name))
        for name in needs.allowed:
            with suppress(NoSuchModel):  # one that is gone, that embeds, or `auto`
                found.update(each.name for each in meant(name))
        return replace(needs, allowed=(*needs.allowed, *found))

    def _steps(self, model: str, signals: Signals) -> Iterator[_Step]:
        config, weights = self._config, self._weights
        if by := AUTO_BY.get(model):
            yield _Step(model, (self._apart,), by)
            return
        if model != AUTO:
            yield _Step("named", (self._choices([model]),))
            return
        for rule, when in self._rules:
            if holds(when, signals):
                yield self._own(f"rule:{rule.name}", rule, rule.region)
        for task, own in config.tasks.items():
            if task == signals.get("task"):
                yield self._own(f"task:{task}", own)
        if config.cheap:
            cheap, strong = self._choices(config.cheap), self._choices(config.strong)
            if self._cheap_will_do(signals):
                cascade = config.cascade.enabled
                yield _Step("cheap", (cheap, strong), weights, cascade=cascade)
            else:
                yield _Step("strong", (strong, cheap), weights)
        default = config.default or self.catalogue.first_of_each_provider()
        yield _Step("default", (self._choices(default),), weights)

    def _cheap_will_do(self, signals: Signals) -> bool:
        p_cheap = signals.get("p_cheap")
        if self._enough and isinstance(p_cheap, float):
            return self._enough(p_cheap)
        return signals.get("complexity") == "simple"

    def _own(self, reason: str, own: Rule | TaskRoute, region: str = "") -> _Step:
        choices = self._choices(own.use)
        tiers = tuple([choice] for choice in choices) if own.cascade else (choices,)
        return _Step(reason, tiers, self._weights, region, own.strategy, own.cascade, own.prompt)

    def _choices(self, names: Iterable[str]) -> list[Choice]:
        return [Choice(name, tuple(self.catalogue.groups(name))) for name in names]

    def _tier(
        self, tier: Sequence[Choice], by: By | Weights | None, sieve: _Sieve, outlook: Outlook
    ) -> list[Choice]:
        choices = [
            replace(choice, groups=kept) for choice in tier if (kept := sieve.kept(choice.groups))
        ]
        if by is None or len(choices) < 2:
            return choices
        return ordered([self.weighed(each, outlook) for each in choices], by)

    def weighed(self, choice: Choice, outlook: Outlook) -> Choice:
        """The same with what is expected of it."""
        declared = self.catalogue.quality(choice.name)
        return replace(choice, expected=expected(choice.groups[0], outlook, declared))


def _plan(step: _Step, tiers: Sequence[Sequence[Choice]], last: Sequence[Group]) -> Plan:
    """All tiers one below the other; in a cascade, what is left of them is the stronger plan."""
    groups = [group for tier in tiers for each in tier for group in each.groups]
    cascades = step.cascade and len(tiers) > 1
    return Plan(
        tuple(distinct([*groups, *last])),
        f"cascade:{step.reason}" if cascades else step.reason,
        strategy=step.strategy,
        prompt=step.prompt,
        stronger=_plan(step, tiers[1:], last) if cascades else None,
    )


@dataclass(slots=True)
class _Sieve:
    """Lets through what may be asked, and remembers what may not."""

    needs: Needs
    excluded: dict[Target, Excluded] = field(default_factory=dict)

    def kept(self, groups: Iterable[Group]) -> tuple[Group, ...]:
        filled = (self._filled(group) for group in groups)
        narrowed = (group.only(filter(self._may, group.targets)) for group in filled)
        return tuple(group for group in narrowed if group.targets)

    def _filled(self, group: Group) -> Group:
        """The group with adapters in the places that are kept for them."""
        if not any(target.keeps_place for target in group.targets):
            return group
        targets = tuple(self.needs.filled(target) or target for target in group.targets)
        return replace(group, name=targets[0].name, targets=targets)

    def _may(self, target: Target) -> bool:
        if found := self.needs.excluded(target):
            self.excluded.setdefault(target, found)
        return found is None

    def nothing_left(self, model: str) -> Exception:
        """What the caller may not use does not exist for him."""
        others = [each for each in self.excluded.values() if each.constraint != "allowed"]
        return NothingFits(others) if others else NoSuchModel(model)


def asked(config: RoutingConfig) -> frozenset[str]:
    """The signals that decide."""
    found = set[str]().union(*(names(condition(rule.when)) for rule in config.rules))
    if config.tasks:
        found.add("task")
    if config.cheap:
        found |= {"p_cheap", "complexity"}
    return frozenset(found)
