"""Passages that say nearly the same: MinHash signatures of three-word shingles, and who is linked.

Broder: On the resemblance and containment of documents (1997). The share of equal numbers in two
signatures estimates the Jaccard similarity of the two sets of shingles, so that a short text is no
duplicate of a long one that contains it. Policies for two countries, or of two years, resemble each
other more than most copies do, so texts are linked only where what tells such ones apart is the
same in both: numbers, words in capitals, negations. It does not know which of two is right: the
better hit is served, and says which documents it stands for.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Hit, Passage

THRESHOLD = 0.85
"""Of 32 numbers 28 must be equal: at a similarity of 0.7 two texts in a hundred are linked so."""
_SHINGLE = 3
_PERMUTATIONS = 32
_WORD = re.compile(r"\w+")
_TELLING = re.compile(
    r"\d(?:[\w.,:/-]*\w)?|\b[A-ZÄÖÜ]{2,}\b|n['’]t\b"
    r"|\b(?:[Nn]ot?|[Nn]or|[Nn]ever|[Nn]one|[Ww]ithout|[Cc]annot|[Uu]nless|[Ee]xcept)\b"
)
"""What a text must have in common with its near-duplicate."""

_random = np.random.default_rng(1997)
_FACTORS = _random.integers(0, 1 << 64, _PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _random.integers(0, 1 << 64, _PERMUTATIONS, dtype=np.uint64)
_PLACES = _random.integers(0, 1 << 64, _SHINGLE, dtype=np.uint64) | np.uint64(1)
_HIGH = np.uint64(32)


def sketch(text: str) -> bytes:
    """The text's signature: 32 numbers, and one for what tells it from others that resemble it.

    Empty for a text without words."""
    words = [zlib.crc32(word.encode()) for word in _WORD.findall(text.lower())]
    if not words:
        return b""
    shingles = _shingles(np.array(words, np.uint64))
    # Multiply-shift: the high half of a product with an odd number is as good as a permutation.
    permuted = (shingles[:, None] * _FACTORS + _OFFSETS) >> _HIGH
    telling = zlib.crc32(" ".join(sorted(set(_TELLING.findall(text)))).lower().encode())
    return np.append(permuted.min(axis=0), np.uint64(telling)).astype("<u4").tobytes()


def alike(one: bytes, other: bytes) -> float:
    """The estimated share of shingles that two texts have in common; 0 where something tells them
    apart, or one of them has none."""
    if not one or one[-4:] != other[-4:]:
        return 0.0
    equal = np.frombuffer(one, "<u4") == np.frombuffer(other, "<u4")
    return float(equal[:_PERMUTATIONS].mean())


def linked(hits: Sequence[Hit], threshold: float = THRESHOLD) -> tuple[list[Hit], list[Hit]]:
    """The hits that are served, naming the documents of those that nearly repeat them; and those.

    What is read with its neighbours is not compared within its own document: it is merged there."""
    twins = _twins([hit.passage.sketch for hit in hits], threshold)
    if not twins:
        return list(hits), []
    kept: list[Hit] = []
    repeats: dict[int, Hit] = {}
    for number, hit in enumerate(hits):
        if number in repeats:
            continue
        same = {i: hits[i] for i in twins.get(number, ()) if i not in repeats}
        same = {i: other for i, other in same.items() if not _merged(hit.passage, other.passage)}
        repeats |= same
        also = dict.fromkeys(other.passage.document for other in same.values())
        also.pop(hit.passage.document, None)
        kept.append(replace(hit, also=(*hit.also, *also)) if also else hit)
    return kept, [repeats[number] for number in sorted(repeats)]


def _merged(one: Passage, other: Passage) -> bool:
    return one.document == other.document and one.parent is not None


def _twins(sketches: Sequence[bytes], threshold: float) -> dict[int, list[int]]:
    """For each signature the later ones that are as alike as that."""
    signed = [number for number, one in enumerate(sketches) if len(one) == 4 * _PERMUTATIONS + 4]
    if len(signed) < 2:
        return {}
    table = np.frombuffer(b"".join(sketches[i] for i in signed), "<u4").reshape(len(signed), -1)
    needed = int(np.ceil(threshold * _PERMUTATIONS))
    # Two that are alike share at least two of any so many columns, which hardly any others do:
    # only those that do are compared in all.
    equal = np.zeros((len(signed), len(signed)), np.uint8)
    for column in np.ascontiguousarray(table.T[: _PERMUTATIONS - needed + 2]):
        equal += column[:, None] == column
    ones, others = np.nonzero(np.triu(equal >= 2, 1))
    found: dict[int, list[int]] = {}
    same = table[ones] == table[others]
    alike_enough = same[:, -1] & (same[:, :-1].sum(axis=1) >= needed)
    for one, other in zip(ones[alike_enough], others[alike_enough], strict=True):
        found.setdefault(signed[one], []).append(signed[other])
    return found


def _shingles(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each run of three words, or for all of a text that has fewer."""
    many = max(1, len(words) - _SHINGLE + 1)
    found = np.zeros(many, np.uint64)
    for place in range(min(_SHINGLE, len(words))):
        found = (found ^ words[place : place + many]) * _PLACES[place]
    return found ^ (found >> _HIGH)
