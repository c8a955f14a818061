"""The sentences that say most of a text, word for word: what stands for a summary without a model.

TextRank over shared words (Mihalcea, Tarau: TextRank, 2004; Erkan, Radev: LexRank, 2004), with what
stands early counted for more, and maximal marginal relevance so that nothing is said twice. It
understands nothing: what a text says between its sentences it cannot say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.sentences import Span, is_row, sentences
from retrieval.words import ENGLISH, query_terms

Array = NDArray[np.float32]

_TOGETHER = 300  # sentences that are compared with each other at once
_SURVIVING = 0.2  # of these, what goes on to be compared with the best of the others
_DAMPING, _ROUNDS = 0.85, 30
_EARLY = 0.4  # of a sentence's worth, for standing early; of five tried (`moorline eval long`)
_NEW = 0.7  # how much a sentence loses for what has been said already
_SHORTEST, _LONGEST = 5, 60  # words; a heading, a list's entry and a run-on say too little or much


def gist(text: str, words: int, language: str = ENGLISH) -> list[Span]:
    """The spans of the sentences, in their order, of about so many words together. Computes."""
    spans = [span for span in sentences(text) if _says(text[slice(*span)])]
    spans = spans or sentences(text)[:1]
    said = [Counter(query_terms(text[start:end], (language,))) for start, end in spans]
    left = list(range(len(spans)))
    while len(left) > _TOGETHER:
        groups = [left[at : at + _TOGETHER] for at in range(0, len(left), _TOGETHER)]
        left = [place for group in groups for place in _best(group, said, len(spans))]
    if not left:
        return []
    vectors = _vectors([said[place] for place in left])
    worth = _worth(vectors, left, len(spans))
    lengths = [len(text[slice(*spans[place])].split()) for place in left]
    return [spans[left[each]] for each in sorted(_chosen(vectors, worth, lengths, words))]


def _says(sentence: str) -> bool:
    """Whether it may stand alone."""
    number = len(sentence.split())
    return _SHORTEST <= number <= _LONGEST and not is_row(sentence) and sentence[-1] not in ":?"


def _best(group: Sequence[int], said: Sequence[Counter[str]], many: int) -> list[int]:
    worth = _worth(_vectors([said[place] for place in group]), group, many)
    kept = max(1, int(len(group) * _SURVIVING))
    return sorted(group[place] for place in np.argsort(-worth, kind="stable")[:kept])


def _vectors(said: Sequence[Counter[str]]) -> Array:
    """A row a sentence, of length 1: how often a word occurs there, and how rarely elsewhere."""
    known: dict[str, int] = {}
    for each in said:
        for word in each:
            known.setdefault(word, len(known))
    rows = np.zeros((len(said), max(1, len(known))), dtype=np.float32)
    for place, each in enumerate(said):
        for word, times in each.items():
            rows[place, known[word]] = 1 + math.log(times)
    holding = np.count_nonzero(rows, axis=0)
    rows *= np.log(1 + len(said) / np.maximum(holding, 1)).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    made: Array = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return made


def _worth(vectors: Array, places: Sequence[int], many: int) -> Array:
    """How central each is, 0…1, with what its place among all of the text says."""
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, 0)
    sums = alike.sum(axis=1, keepdims=True)
    number = len(places)
    steps = np.divide(alike, sums, out=np.full_like(alike, 1 / number), where=sums > 0)
    rank = np.full(number, 1 / number, dtype=np.float32)
    for _ in range(_ROUNDS):
        rank = (1 - _DAMPING) / number + _DAMPING * (rank @ steps)
    early = 1 - np.array(places, dtype=np.float32) / max(1, many)
    worth: Array = (1 - _EARLY) * rank / rank.max() + _EARLY * early**4
    return np.asarray(worth, dtype=np.float32)


def _chosen(vectors: Array, worth: Array, lengths: Sequence[int], words: int) -> list[int]:
    """One after another: the worthiest for what is new in it, as long as there is room."""
    waiting = list(range(len(lengths)))
    said = np.zeros(len(lengths), dtype=np.float32)
    chosen: list[int] = []
    room = words
    while waiting:
        best = max(waiting, key=lambda place: (worth[place] - _NEW * said[place], -place))
        waiting.remove(best)
        if chosen and lengths[best] > room:
            continue
        chosen.append(best)
        room -= lengths[best]
        if room <= 0:
            break
        said = np.maximum(said, vectors @ vectors[best])
    return chosen
