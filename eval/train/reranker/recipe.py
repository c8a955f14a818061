"""How the reader is fitted: the numbers, and nothing that needs torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is fitted."""

    steps: int = 700
    minutes: float | None = None  # an end before all steps; then no two runs are the same
    layers: tuple[int, ...] = (0, 1, 2)  # of MiniLM, to begin with
    groups: int = 8  # questions of a step
    answering: int = 0  # questions of a step that are there for their answers, beside the groups
    wrong: int = 4  # hard wrong passages of a question
    longest: int = 192  # tokens of a pair
    rate: float = 1.5e-4
    head_rate: float = 1e-3
    decay: float = 0.01
    warm: float = 0.06  # share of the steps
    span_share: float = 0.3  # of the answer's loss
    apart_share: float = 0.3  # of the loss of each pair alone
    hardest: int = 24  # candidates that wrong passages are drawn from
    seed: int = 13
    threads: int = 2
    saved: int = 100  # steps between checkpoints
