"""How much the way a passage was found counts beside what the reader makes of it.

One number for all collections, fitted on held-out questions: each collection counts the same,
however many questions it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eval.train.reranker.judging import Array, Judged, Order, mean

_TRIED = (0.0, *(float(round(x, 2)) for x in np.geomspace(0.5, 64, 29)))
_NEIGHBOURS = 2


def fitted_weight(held_out: Mapping[str, Sequence[Judged]]) -> float:
    """The best of a grid, each value judged with its neighbours: few questions, much noise."""
    means = [
        np.mean([mean(questions, ordered(weight)) for questions in held_out.values()])
        for weight in _TRIED
    ]
    smooth = [
        np.mean(means[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS + 1]) for i in range(len(means))
    ]
    return _TRIED[int(np.argmax(smooth))]


def ordered(weight: float) -> Order:
    """The score that orders what was read."""

    def score(question: Judged) -> Array:
        read = question.relevance
        return np.asarray(read + weight * question.fused[: len(read)])

    return score
