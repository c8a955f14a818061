"""When an earlier question stands for a new one."""

from __future__ import annotations

import numpy as np
import pytest

from cache.config import SemanticConfig
from cache.semantic import nearest
from retrieval.types import Vector

CONFIG = SemanticConfig(enabled=True, threshold=0.8, margin=0.1)


def at(cosine: float) -> Vector:
    """A vector with this cosine to the question, which points along the first axis."""
    return np.array([cosine, (1 - cosine**2) ** 0.5], dtype=np.float32)


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
    vectors = np.array([at(cosine) for cosine, _ in known]).reshape(-1, 2)
    assert nearest(at(1.0), vectors, [answer for _, answer in known], CONFIG) == found
