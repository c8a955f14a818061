"""What gateways tell each other of their breakers, and how: news, sent after the fact.

A request never waits for it: each gateway goes by its own breakers, and these hear of the others'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from routing.breaker import Forced


@dataclass(frozen=True, slots=True)
class News:
    """A deployment's breaker as one gateway left it. Times are the wall clock's."""

    deployment: str
    state: Literal["open", "closed"]
    origin: str  # the gateway that says it
    at: float
    until: float = 0.0  # when an open one lets its first probe through
    times: int = 0  # that it opened in a row
    forced: Forced = "auto"


Hear: TypeAlias = Callable[[News], None]


class Exchange(Protocol):
    """Where news is left and picked up."""

    def tell(self, news: News) -> None:
        """Leave it for the others. Never waits, never fails."""

    async def refresh(self) -> None:
        """Be heard and hear now; it happens in the background all the same."""

    async def aclose(self) -> None:
        """Hear nothing more."""
