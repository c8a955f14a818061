"""When an earlier question stands for a new one."""

from __future__ import annotations

import pytest

from cache.config import SemanticConfig
from cache.semantic import chosen
from cache.types import Candidate, Entry

CONFIG = SemanticConfig(enabled=True, threshold=0.8, margin=0.1)


def candidates(known: list[tuple[float, str]]) -> list[Candidate]:
    """As a store gives them: the nearest first."""
    found = [Candidate(said, Entry(b"", "", (), 0.0, said), cosine) for cosine, said in known]
    return sorted(found, key=lambda each: -each.cosine)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ([], None),
        ([(0.79, "a")], None),
        ([(0.81, "a")], 0),
        ([(0.5, "a"), (0.9, "b")], 1),
        ([(0.95, "a"), (0.86, "b")], None),
        ([(0.95, "a"), (0.84, "b")], 0),
        ([(0.95, "a"), (0.94, "a"), (0.84, "b")], 0),
        ([(1.0, "a"), (1.0, "b")], None),
    ],
)
def test_needs_the_threshold_and_a_lead_over_another_answer(
    known: list[tuple[float, str]], found: int | None
) -> None:
    best = chosen(candidates(known), CONFIG)
    assert (best and (best.cosine, best.key)) == (None if found is None else known[found])
