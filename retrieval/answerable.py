"""Whether the passages found answer a question at all: a calibrated probability.

It judges by words and by scores that mean the same in any collection; it knows neither the rest of
the index nor any model. A question that the passages answer in other words looks unanswered to
it, and one that they nearly answer looks answered: support/CARD.md has the figures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from retrieval.support.cues import CUES, contradicts, weight_in
from retrieval.support.network import Network
from retrieval.support.reading import Reading, read
from retrieval.types import Hit

_FILE = Path(__file__).parent / "support" / "answerable.json"

_OF_BEST = (
    *("in_sentence", "in_sentence_rare", "in_titles", "in_previous", "in_next", "count", "rarest"),
    *("near", "focus", "pairs", "length", "precision", "numbers", "numbers_missing"),
    *("rank", "score", "dense", "passage"),
)
_PLACES = tuple(CUES.index(name) for name in _OF_BEST)
_KINDS_FROM = CUES.index("number")
SIGNS = (
    *(f"best {name}" for name in _OF_BEST),
    *("best holds kind", "best score", "best share", "second share", "any holds kind"),
    *("most in sentence", "most in passage", "nowhere", "heaviest nowhere", "not in passage"),
    *("heaviest not in passage", "codes missing", "other code", "dense", "dense mean"),
    *("dense spread", "second score", "last score", "terms", "weight"),
)
"""What the judgement is made of."""


@dataclass(frozen=True, slots=True)
class Answerability:
    """A fitted judgement and its two thresholds."""

    network: Network
    strict: float
    """Below it one in ten answerable questions of the validation part falls: the extractive
    model says that the documents do not answer."""
    lenient: float
    """Below it one in a hundred: no model is asked."""

    def probability(self, reading: Reading) -> float:
        """That the passages answer."""
        row = np.asarray([signs(reading)], dtype=np.float32)
        return 1 / (1 + math.exp(-float(self.network(row)[0]))) if reading.candidates else 0.0

    def answers(self, reading: Reading) -> bool:
        """Whether it is likely enough to quote."""
        return self.probability(reading) >= self.strict

    def plausible(self, question: str, hits: Sequence[Hit]) -> bool:
        """Whether it is worth asking a model. Takes milliseconds: not for the event loop."""
        return self.probability(read(question, hits)) >= self.lenient


@cache
def answerability() -> Answerability:
    """The judgement that comes with the package."""
    stored = json.loads(_FILE.read_text(encoding="utf-8"))
    return Answerability(
        Network.read(stored["network"], SIGNS), stored["strict"], stored["lenient"]
    )


def answerable(question: str, hits: Sequence[Hit]) -> float:
    """The probability that these passages answer the question."""
    return answerability().probability(read(question, hits))


def signs(reading: Reading) -> list[float]:
    """One row of SIGNS for a reading; zeros where nothing was found."""
    best = reading.best
    if best is None:
        return [0.0] * len(SIGNS)
    row = reading.rows[best]
    kinds = reading.rows[:, _KINDS_FROM:].sum(axis=1)
    shares = sorted((candidate.share for candidate in reading.candidates), reverse=True)
    return [
        *(float(row[place]) for place in _PLACES),
        float(kinds[best]),
        reading.candidates[best].score,
        shares[0],
        shares[1] if len(shares) > 1 else 0.0,
        float(kinds.max()),
        float(reading.rows[:, 0].max()),
        float(reading.rows[:, CUES.index("passage")].max()),
        *_missing(reading, best),
        *_scores(reading),
        float(len(reading.asked.terms)),
        reading.asked.total,
    ]


def _missing(reading: Reading, best: int) -> tuple[float, ...]:
    """What the question says that the passages do not."""
    asked, candidate = reading.asked, reading.candidates[best]
    everywhere: frozenset[str] = frozenset().union(*(each.words for each in reading.found))
    figures: frozenset[str] = frozenset().union(
        *(each.figures.union(*(s.figures for s in each.sentences)) for each in reading.found)
    )
    passage = reading.found[candidate.place]
    return (
        1 - weight_in(asked, everywhere),
        _heaviest_missing(reading, everywhere),
        1 - weight_in(asked, passage.words),
        _heaviest_missing(reading, passage.words),
        len(asked.codes - figures) / max(1, len(asked.codes)),
        float(contradicts(asked, candidate.sentence, passage.figures)),
    )


def _heaviest_missing(reading: Reading, words: frozenset[str]) -> float:
    weights = reading.asked.weights
    return max((weights[term] for term in reading.asked.terms if term not in words), default=0.0)


def _scores(reading: Reading) -> tuple[float, ...]:
    """The shape of the search's scores."""
    dense = [each.dense for each in reading.found]
    scores = [each.hit.score for each in reading.found]
    top = scores[0] or 1.0
    return (
        max(dense),
        sum(dense) / len(dense),
        max(dense) - min(dense),
        (scores[1] if len(scores) > 1 else 0.0) / top,
        scores[-1] / top,
    )
