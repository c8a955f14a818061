"""The stretch of a text that answers, out of how likely each token is its first and its last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Span

Array: TypeAlias = NDArray[Any]

_LONGEST = 30
"""Tokens of an answer; longer ones are nearly always two that were taken for one."""


def best_span(
    text: str, starts: Array, ends: Array, none: float, offsets: Sequence[tuple[int, int]]
) -> Span | None:
    """The likeliest answer, whole words of it; None for a text without tokens."""
    if not len(offsets):
        return None
    together = starts[:, None] + ends[None, :]
    order = np.arange(len(starts))
    length = order[None, :] - order[:, None]
    together = np.where((length >= 0) & (length < _LONGEST), together, -np.inf)
    first, last = divmod(int(together.argmax()), len(ends))
    start, end = _words(text, offsets[first][0], offsets[last][1])
    return Span(start, end, float(together[first, last]) - 2 * none)


def _words(text: str, start: int, end: int) -> tuple[int, int]:
    """A word that begins or ends within the stretch is in it whole."""
    while start > 0 and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end
