"""What a model must be able to do for a request at all, whatever rules and weights would prefer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from routing.types import Target

Constraint: TypeAlias = Literal["allowed", "region", "ability", "window"]
"""In this order they are looked at."""

SHARE_OF_ANSWER = 4
"""Of a window, so much of it at most is kept for an answer whose length nobody bounds."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A target that cannot be asked, and why not."""

    target: Target
    constraint: Constraint
    why: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request cannot do without."""

    allowed: tuple[str, ...] = ()  # models that may be asked, with or without provider; none is all
    regions: tuple[str, ...] = ()  # in all of which it has to be answered
    tokens: int = 0  # of the input, estimated
    answer: int | None = None  # tokens that the request asks for
    lacking: Callable[[Target], Collection[str]] | None = None
    adapters: Mapping[str, Target] = field(default_factory=dict)
    """Those that the request may lead to, by the names under which they are meant."""

    def filled(self, target: Target) -> Target | None:
        """The target, or the adapter whose place it keeps; None where whoever asks has none."""
        return self.adapters.get(target.model) if target.keeps_place else target

    def excluded(self, target: Target) -> Excluded | None:
        """Why a target cannot be asked, if it cannot."""
        if target.keeps_place:
            return Excluded(target, "allowed", "is no adapter that there is for this key")
        if not self.names(target):
            return Excluded(target, "allowed", "not allowed for this key")
        if beyond := [each for each in self.regions if not target.runs_in(each)]:
            where = f"runs in {target.region}" if target.region else "its region is not known"
            return Excluded(target, "region", f"{where}, not in {' and '.join(beyond)}")
        if self.lacking and (lacks := self.lacking(target)):
            return Excluded(target, "ability", f"lacks {', '.join(sorted(lacks))}")
        if self.tokens and self.tokens + self._answer(target) > target.window:
            why = f"its window of {target.window} tokens is too small for about {self.tokens}"
            return Excluded(target, "window", f"{why} and the answer")
        return None

    def names(self, target: Target) -> bool:
        """Whether it is allowed by its name, and not by that of an alias it stands behind."""
        return not self.allowed or target.name in self.allowed or target.model in self.allowed

    def lists(self, adapter: str) -> bool:
        """Whether an adapter is allowed: by its name, for all its revisions, or as it is meant."""
        return not self.allowed or not {adapter, adapter.partition("@")[0]}.isdisjoint(self.allowed)

    def _answer(self, target: Target) -> int:
        return self.answer or min(target.max_output, target.window // SHARE_OF_ANSWER)


class NothingFits(Exception):
    """Every target that might have been asked is excluded."""

    def __init__(self, excluded: Sequence[Excluded]) -> None:
        super().__init__("; ".join(f"{each.target.name} {each.why}" for each in excluded))
        self.excluded = tuple(excluded)
