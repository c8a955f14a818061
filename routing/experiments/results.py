"""What an experiment has shown so far, and whether it may be stopped: figures in, no I/O.

Callers were drawn, not requests, so each caller counts once, with the mean of his requests: those
of one are alike, and a busy one would count for many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from routing.experiments.config import Metric
from routing.experiments.intervals import Difference, difference, sample

METRICS: tuple[Metric, ...] = get_args(Metric)
MORE_IS_BETTER = frozenset({"faithfulness"})


@dataclass(frozen=True, slots=True)
class Part:
    """One caller's requests: their number, and the mean of each figure that is known of them."""

    variant: str
    requests: int
    means: Mapping[Metric, float]


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's."""

    variant: str
    callers: int
    requests: int
    means: Mapping[Metric, float]  # over callers
    differences: Mapping[Metric, Difference]  # from the first variant, where there are enough


@dataclass(frozen=True, slots=True)
class Results:
    """All variants', the one first that the others are compared with."""

    arms: tuple[Arm, ...]
    stop: bool
    verdict: str


def results(variants: Sequence[str], parts: Sequence[Part], decides: Metric) -> Results:
    """What the callers' figures come to. `decides` is the figure that the stopping goes by."""
    by_variant = {name: [p for p in parts if p.variant == name] for name in variants}
    first, *others = variants
    arms = [_arm(first, by_variant[first], (), 1)]
    arms += [_arm(name, by_variant[name], by_variant[first], len(others)) for name in others]
    found = {arm.variant: arm.differences.get(decides) for arm in arms[1:]}
    decided = {name: seen for name, seen in found.items() if seen and seen.decided}
    return Results(tuple(arms), bool(decided), _verdict(first, found, decided, decides))


def _arm(name: str, own: Sequence[Part], control: Sequence[Part], comparisons: int) -> Arm:
    means, differences = {}, {}
    for metric in METRICS:
        values = [part.means[metric] for part in own if metric in part.means]
        others = [part.means[metric] for part in control if metric in part.means]
        if values:
            means[metric] = sample(values).mean
        if values and others:
            seen = difference(sample(others), sample(values), comparisons)
            if seen:
                differences[metric] = seen
    return Arm(name, len(own), sum(part.requests for part in own), means, differences)


def _verdict(
    first: str,
    found: Mapping[str, Difference | None],
    decided: Mapping[str, Difference],
    decides: Metric,
) -> str:
    if decided:
        said = (f"{name} is {_judged(seen, decides)}" for name, seen in decided.items())
        return f"stop: by {decides}, {' and '.join(said)} than {first}"
    if not any(found.values()):
        return f"go on: too few callers have been seen for {decides}"
    return f"go on: nothing is decided by {decides}"


def _judged(seen: Difference, metric: Metric) -> str:
    return "better" if (seen.value > 0) == (metric in MORE_IS_BETTER) else "worse"
