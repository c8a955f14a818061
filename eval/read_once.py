"""The pair model where streams bring the same pairs again and again: each is read once."""

from __future__ import annotations

from pathlib import Path

from cache.verification.pair_model import PairModel
from cache.verification.pairs import Read


class ReadOnce(PairModel):
    """Remembers every opinion; for evaluation and training alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._known: dict[tuple[int, ...], float] = {}

    def opinion(self, pair: Read) -> float:
        key = tuple(pair.tokens)
        if key not in self._known:
            self._known[key] = super().opinion(pair)
        return self._known[key]
