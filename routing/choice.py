"""Which of several models comes first: by price, by speed, by quality, or by a weighing of them.

What is expected of a model comes in as an argument. What is not known of it: a price counts as the
highest, a quality as the lowest where the best is wanted, and a model that nobody has timed is
tried, since it cannot be timed otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from routing.types import Group, Target

By: TypeAlias = Literal["cheap", "best", "fast"]

MIDDLING = 0.5
"""Of a quality that nobody declared, where it is weighed against a price."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Of one answer; None is not known."""

    cost: float | None = None  # USD
    latency: float | None = None  # seconds until it begins, or is there
    quality: float | None = None  # 0 to 1


Outlook: TypeAlias = Callable[[Target], Expected]
"""What is expected of a target's answer to this request."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each counts; of all candidates' figures the largest is 1."""

    cost: float = 0.0
    latency: float = 0.0
    quality: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate: a model, or an alias with all that it leads to, which stays in its order."""

    name: str
    groups: tuple[Group, ...]
    expected: Expected = Expected()

    @property
    def built_in(self) -> bool:
        return all(target.built_in for target in self.groups[0].targets)


def expected(group: Group, outlook: Outlook, quality: float | None = None) -> Expected:
    """Of a group: the mean of what is known of its targets. `quality` is that of its alias."""
    seen = [outlook(target) for target in group.targets]
    declared = [each.quality for each in seen if each.quality is not None]
    return Expected(
        cost=_mean([each.cost for each in seen]),
        latency=_mean([each.latency for each in seen]),
        quality=quality if quality is not None else max(declared, default=None),
    )


def ordered(choices: Sequence[Choice], by: By | Weights) -> list[Choice]:
    """The best first; the built-in model, which costs nothing and only quotes, last. Equals stay
    in their order."""
    value = _weighed(choices, by) if isinstance(by, Weights) else _BY[by]
    return sorted(choices, key=lambda choice: (choice.built_in, value(choice.expected)))


_BY: dict[By, Callable[[Expected], float]] = {
    "cheap": lambda seen: math.inf if seen.cost is None else seen.cost,
    "best": lambda seen: math.inf if seen.quality is None else -seen.quality,
    "fast": lambda seen: seen.latency or 0.0,
}


def _weighed(choices: Sequence[Choice], weights: Weights) -> Callable[[Expected], float]:
    dearest = max((choice.expected.cost or 0.0 for choice in choices), default=0.0)
    slowest = max((choice.expected.latency or 0.0 for choice in choices), default=0.0)

    def value(seen: Expected) -> float:
        cost = 1.0 if seen.cost is None else _share(seen.cost, dearest)
        latency = _share(seen.latency or 0.0, slowest)
        quality = MIDDLING if seen.quality is None else seen.quality
        return weights.cost * cost + weights.latency * latency - weights.quality * quality

    return value


def _share(value: float, largest: float) -> float:
    return value / largest if largest else 0.0


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
