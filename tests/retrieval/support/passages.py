"""Passages in a line."""

from __future__ import annotations

from retrieval.types import Hit, Passage


def hit(text: str, title: str = "", score: float = 1.0, dense: float | None = 0.6) -> Hit:
    passage = Passage(f"{title}/{text}", f"{title}.md", "v", 0, title, (), text, 0, len(text))
    return Hit(passage, score, dense, None)
