"""The stretches of a text that may answer, by how likely each token is to begin or end one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.sentences import sentences
from retrieval.types import Span

Array: TypeAlias = NDArray[Any]

_LONGEST = 30
"""Tokens of an answer; longer ones are nearly always two that were taken for one."""


def best_spans(
    text: str, starts: Array, ends: Array, none: float, offsets: Sequence[tuple[int, int]]
) -> tuple[Span, ...]:
    """The likeliest answer of each sentence that was read, whole words of it.

    A text's best stretch is often in a sentence that says nothing of what is asked; whoever knows
    which sentences do takes theirs."""
    if not len(offsets):
        return ()
    begins = [begin for begin, _ in offsets]
    found = []
    for start, end in sentences(text[: offsets[-1][1]]):
        first, last = bisect_left(begins, start), bisect_left(begins, end)
        if first < last:
            inside = slice(first, last)
            found.append(_best(text, starts[inside], ends[inside], none, offsets[inside]))
    return tuple(found)


def _best(
    text: str, starts: Array, ends: Array, none: float, offsets: Sequence[tuple[int, int]]
) -> Span:
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
