"""What common English words weigh, and which words are near in meaning: a fixed table.

Made by eval/train/lexicon.py; CARD.md says of what. It knows no corpus, so that a question weighs
the same beside forty documents as beside a million.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("lexicon.json")
_NOTHING: Mapping[str, float] = {}


class Lexicon:
    """Weights from 0 to 1, and likenesses from 0 to 1 between stems."""

    def __init__(
        self,
        documents: int,
        frequencies: Mapping[str, int],
        near: Mapping[str, Mapping[str, float]],
    ) -> None:
        self._heaviest = math.log(documents / _RAREST)
        self._documents = documents
        self._frequencies = frequencies
        self._near = near

    def weight(self, term: str) -> float:
        """A word that is in every text weighs little; one never seen weighs 1."""
        seen = self._frequencies.get(term, 0) + 0.5
        return min(1.0, max(0.0, math.log(self._documents / seen) / self._heaviest))

    def near(self, term: str) -> Mapping[str, float]:
        """The stems that are near in meaning, with their likeness."""
        return self._near.get(term, _NOTHING)


_RAREST = 3
"""Words in fewer texts than this all weigh the most."""


@cache
def lexicon() -> Lexicon:
    """The table that comes with the package."""
    table = json.loads(_FILE.read_text(encoding="utf-8"))
    near = {
        term: {other: hundredths / 100 for other, hundredths in others.items()}
        for term, others in table["near"].items()
    }
    return Lexicon(table["documents"], table["frequencies"], near)
