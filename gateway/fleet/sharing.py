"""What gateways tell each other of their replicas, and how: what each of them does, as it does it.

No request waits for it: each decides by its own view and tells afterwards, so that views differ for
some milliseconds. Whoever joins, or has missed something, is put right by the whole of what the
others have under way, which they tell again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Doing: TypeAlias = tuple[str, str, str, str | None, Any]
"""What was done (a function of routing/placement/mirror.py), of which provider, to which replica,
with which adapter; and what else that function takes. Or `read`, and blocks of a prompt (see
gateway/fleet/prefixes.py)."""
Whole: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Provider → replica → all that one gateway has under way there, and knows of its adapters."""


class Hearer(Protocol):
    """Who is told. What makes no sense is left out, as it may come from another version."""

    def heard(self, gateway: str, doings: Sequence[Doing]) -> None:
        """Another gateway did this."""

    def heard_whole(self, gateway: str, whole: Whole) -> None:
        """All of another gateway's."""

    def gone(self, gateway: str) -> None:
        """It has nothing under way any more."""

    def whole(self) -> Whole:
        """All of one's own, to be told."""

    def alone(self, alone: bool) -> None:
        """Nobody is heard from now on, nor hears; or they do again."""


class Exchange(Protocol):
    """The way to the others."""

    def tell(self, doing: Doing) -> None:
        """Never waits, never fails."""

    async def aclose(self) -> None:
        """Say good-bye."""
