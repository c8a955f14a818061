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
_AS_GOOD = 0.002  # a fifth of the standard error of such a mean


def fitted_weight(held_out: Mapping[str, Sequence[Judged]]) -> float:
    """The largest of a grid that is as good as the best, each judged with its neighbours.

    With so few questions much of the grid is equally good, and the larger weight changes least of
    an order that is known to be sound."""
    means = [
        np.mean([mean(questions, ordered(weight)) for questions in held_out.values()])
        for weight in _TRIED
    ]
    smooth = [
        np.mean(means[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS + 1]) for i in range(len(means))
    ]
    return max(
        weight
        for weight, found in zip(_TRIED, smooth, strict=True)
        if found >= max(smooth) - _AS_GOOD
    )


def ordered(weight: float) -> Order:
    """The score that orders what was read."""

    def score(question: Judged) -> Array:
        read = question.relevance
        return np.asarray(read + weight * question.fused[: len(read)])

    return score
