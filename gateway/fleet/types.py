"""What a fleet is told of adapters, by whoever keeps their register."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from routing.placement.types import Priority


@dataclass(frozen=True, slots=True)
class Served:
    """An adapter as engines know it."""

    name: str  # changes with the content, as does the path
    path: str | None  # the folder that engines read it from; None: they were started with it
    priority: Priority = "medium"
    tenant: str = ""  # whose name nobody else is told


class Adapters(Protocol):
    """The register. Looking up costs no I/O: it happens on every request."""

    def served(self, provider: str, name: str) -> Served | None:
        """The adapter that a provider's engines know by this name."""

    def removed(self, provider: str, name: str) -> bool:
        """Whether it was one of them, and is no more. What was never registered is not: engines
        may have been started with it, or another gateway knows of it already."""

    def pinned(self, provider: str) -> Sequence[Served]:
        """Those that are to stay loaded, in the order in which they came."""


class NoAdapters:
    """Where none can be registered."""

    def served(self, provider: str, name: str) -> Served | None:
        """See Adapters."""
        return None

    def removed(self, provider: str, name: str) -> bool:
        """See Adapters."""
        return False

    def pinned(self, provider: str) -> Sequence[Served]:
        """See Adapters."""
        return ()
