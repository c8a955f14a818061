"""Two questions as the pair model takes them: tokens, what part each plays, how rare it is.

`[CLS] asked [SEP] known [SEP]`. A token that stands on both sides is marked on both: what a small
model has to find is what the two do not share. It knows nothing of weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FRAME, ASKED, ASKED_TOO, KNOWN, KNOWN_TOO = range(5)
"""Parts: [CLS] and [SEP]; a token of one side alone, and one that the other has too."""

LONGEST = 78
"""Tokens of a side; of a longer question the first and the last half of these are read."""

_BEGIN, _BETWEEN = 101, 102  # [CLS] and [SEP] of BERT's vocabulary
_WORDS = 995  # where the vocabulary's whole words begin, the most frequent ones first
_RAREST = math.log1p(30_000)


@dataclass(frozen=True, slots=True)
class Read:
    """What the model takes."""

    tokens: Sequence[int]
    parts: Sequence[int]
    rarity: Sequence[float]


def read(asked: Sequence[int], known: Sequence[int]) -> Read:
    """Both sides' tokens, without [CLS] and [SEP]."""
    one, other = _cut(asked), _cut(known)
    in_one, in_other = set(one), set(other)
    tokens = [_BEGIN, *one, _BETWEEN, *other, _BETWEEN]
    return Read(
        tokens=tokens,
        parts=[
            FRAME,
            *(ASKED_TOO if token in in_other else ASKED for token in one),
            FRAME,
            *(KNOWN_TOO if token in in_one else KNOWN for token in other),
            FRAME,
        ],
        rarity=[math.log1p(max(0, token - _WORDS)) / _RAREST for token in tokens],
    )


def _cut(tokens: Sequence[int]) -> list[int]:
    half = LONGEST // 2
    return list(tokens) if len(tokens) <= LONGEST else [*tokens[:half], *tokens[-half:]]
