"""How a revision that is tried out has answered beside the live one, prompt by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.ledger.types import Shadowed
from routing.experiments.intervals import Difference, paired

FIGURES = ("seconds", "tokens", "faithfulness")


@dataclass(frozen=True, slots=True)
class Figure:
    """One that both have, for the same prompts."""

    pairs: int
    live: float
    shadow: float
    difference: Difference | None  # shadow less live; None while there are too few


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was seen so far. Intervals hold at every moment at once, however often one looks."""

    live: str
    asked: int
    failed: int
    likeness: float | None  # of texts, 0 to 1
    same: float | None  # the share of answers that are the same, letter by letter
    figures: Mapping[str, Figure]


def compared(seen: Sequence[Shadowed]) -> Comparison | None:
    """None where nothing was asked. What followed an earlier live revision does not count."""
    if not seen:
        return None
    live = seen[-1].live
    seen = [each for each in seen if each.live == live]
    answered = [each for each in seen if len(each.figures) == 2]
    alike = [each.likeness for each in answered if each.likeness is not None]
    figures = {name: figure for name in FIGURES if (figure := _figure(answered, name))}
    return Comparison(
        live=live,
        asked=len(seen),
        failed=len(seen) - len(answered),
        likeness=sum(alike) / len(alike) if alike else None,
        same=alike.count(1.0) / len(alike) if alike else None,
        figures=figures,
    )


def _figure(answered: Sequence[Shadowed], name: str) -> Figure | None:
    pairs = [
        (one, other)
        for each in answered
        if (one := each.figures[0][name]) is not None
        and (other := each.figures[1][name]) is not None
    ]
    if not pairs:
        return None
    live, shadow = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    apart = paired([other - one for one, other in pairs], comparisons=len(FIGURES))
    return Figure(len(pairs), live, shadow, apart)
