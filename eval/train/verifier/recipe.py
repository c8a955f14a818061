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
    """A teacher learns from labels; a student cut out of it learns from labels and from it."""

    teaching: tuple[Turn, ...] = (
        Turn(3200, 1500, 1.2e-4, 5e-4, 0.06, 13),
        Turn(920, 920, 6e-5, 2e-4, 0.06, 77),
    )
    learning: tuple[Turn, ...] = (Turn(510, 510, 1e-4, 2e-4, 0.12, 77),)
    pairs: int = 64  # of a step
    layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5)  # of MiniLM, that the teacher begins with
    kept: tuple[int, ...] = (0, 1, 2, 3, 5)  # of the teacher's, that the student begins with
    wide: int = 640  # neurons of a layer that the student keeps
    sample: int = 1440  # pairs that tell which neurons matter
    trusted: float = 0.65  # weight of the teacher's opinion beside the label
    decay: float = 0.01
    doubt: float = 0.03  # labels are wrong at times
    seed: int = 13  # of what is drawn to learn from
    threads: int = 2
    saved: int = 100  # steps between checkpoints
