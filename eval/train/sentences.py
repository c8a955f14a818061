"""Fits which sentence answers: one right sentence told from all others that were found.

python -m eval.train.sentences --data ../shared/data --out retrieval/support/sentences.json
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.train.fitting import Array, Recipe, fit_choice
from eval.train.material import ANSWERABLE, Example
from retrieval.support.asked import asked
from retrieval.support.cues import CUES, Evidence, Sentence, cues, evidence
from retrieval.support.lexicon import lexicon
from retrieval.support.network import Network

RECIPE = Recipe(units=8, networks=4, epochs=15, decay=3e-3)


def fitted(all_examples: Sequence[Example], recipe: Recipe) -> Network:
    """From the examples that have an answer."""
    lists, right = [], []
    for example in all_examples:
        if example.origin in ANSWERABLE:
            found = evidence(example.hits)
            rows = cues(asked(example.question, lexicon()), found, lexicon())
            lists.append(np.asarray(rows, dtype=np.float32).reshape(-1, len(CUES)))
            right.append(marks(example, found))
    return fit_choice(CUES, lists, right, recipe)


def marks(example: Example, found: Sequence[Evidence]) -> Array:
    """1 for each sentence that holds an answer, where it was asked for."""
    return np.array(
        [
            each.hit.passage.document == example.gold
            and any(_holds(sentence, each, *answer) for answer in example.answers)
            for each in found
            for sentence in each.sentences
        ],
        dtype=np.float32,
    )


def _holds(sentence: Sentence, each: Evidence, start: int, answer: str) -> bool:
    """Whether the whole answer is in it, or it in the answer."""
    begin, end = (each.hit.passage.start + place for place in (sentence.start, sentence.end))
    last = start + len(answer)
    return (begin <= start and last <= end) or (start <= begin and end <= last)
