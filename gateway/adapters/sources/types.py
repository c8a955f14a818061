"""Where adapters come from, and how much of it is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gateway.adapters.failures import BadAdapter


class Source(Protocol):
    """One adapter, wherever it lies."""

    def fetch(self, room: Path) -> str:
        """Put its files into an empty folder, and say where they are from, for good: without a
        secret, and with the commit where there is one. Blocking, so called in a thread.

        Raises BadAdapter for what does not change, SourceAway for what may."""
        ...


def fits(name: str, size: int, limit: int) -> None:
    """Look whether a file may be taken, by what is said of it or has come. Raises BadAdapter."""
    if size > limit:
        raise BadAdapter(
            "invalid",
            f"{name} is too large: more than {limit:,} bytes, see adapters.sources.max_bytes",
        )
