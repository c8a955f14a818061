"""What a route is: targets in the order in which they are tried, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A model of a provider, as configured."""

    provider: str  # name in the configuration
    model: str  # name that the provider knows
    window: int  # tokens of prompt and answer together
    max_output: int  # tokens reserved for the answer where the caller names none

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Targets, first choice first, and the rule that chose."""

    targets: tuple[Target, ...]
    reason: str

    @property
    def window(self) -> int:
        """The smallest window of all targets, so that a fallback's prompt fits too."""
        return min(target.window for target in self.targets)

    @property
    def max_output(self) -> int:
        return min(target.max_output for target in self.targets)
