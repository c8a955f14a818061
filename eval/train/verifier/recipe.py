"""How the pair model is fitted: the numbers, and nothing that needs torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """Once up and down with the rate of learning."""

    steps: int
    ended: int  # the step after which it was
    rate: float
    head_rate: float
    warm: float  # share of the steps
    seed: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """All turns, over the same pairs."""

    turns: tuple[Turn, ...] = (
        Turn(1000, 1000, 2e-4, 1e-3, 0.05, 13),
        Turn(1300, 1100, 1.5e-4, 5e-4, 0.03, 14),
    )
    pairs: int = 64  # of a step
    layers: tuple[int, ...] = (0, 1, 2)  # of MiniLM, to begin with
    decay: float = 0.01
    doubt: float = 0.03  # labels are wrong at times
    seed: int = 13  # of what is drawn to learn from
    threads: int = 2
    saved: int = 100  # steps between checkpoints
