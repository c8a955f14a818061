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

from retrieval.support.asked import Asked
from retrieval.support.cues import CUES, contradicts, has_code, likest, weight_in
from retrieval.support.lexicon import lexicon
from retrieval.support.network import Network
from retrieval.support.opposites import denies, opposites, words
from retrieval.support.reading import Reading, read
from retrieval.types import Hit

LIMIT = 500.0  # odds beyond which nothing is surer, and exp() would overflow
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
    *("heaviest not in passage", "dense", "dense mean", "dense spread", "second score"),
    *("last score", "terms", "weight", "names nowhere", "names not in passage"),
    *("unlike nowhere", "unlike not in passage", "names not in best", "unlike not in best"),
    *("denial unmet", "opposites in best", "opposites in passage"),
)
"""What the judgement is made of."""

_READ, _USUAL = 0.2, -1.6
"""How much a reader's log-odds count, and from which on they speak for an answer: so that as many
answerable questions of the validation part are lost at `strict` as where nothing was read."""
_UNKNOWN_CODE, _OTHER_CODE = -3.0, -2.0
"""Set by hand: no public set of questions asks for enough codes that do not exist."""


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
        if not reading.candidates:
            return 0.0
        row = np.asarray([signs(reading)], dtype=np.float32)
        odds = float(self.network(row)[0]) + _of_codes(reading) + _as_read(reading)
        return 1 / (1 + math.exp(-max(-LIMIT, min(LIMIT, odds))))

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
        *_unmet(reading, best),
        *_opposed(reading, best),
    ]


def _as_read(reading: Reading) -> float:
    """How sure a reader is, if one has read the passages, that the likeliest sentence answers."""
    if reading.best is None:
        return 0.0
    best = reading.candidates[reading.best]
    answer = best.sentence.answer_in(reading.found[best.place].hit)
    return _READ * (answer.score - _USUAL) if answer else 0.0


def _missing(reading: Reading, best: int) -> tuple[float, ...]:
    """What the question says that the passages do not."""
    everywhere: frozenset[str] = frozenset().union(*(each.words for each in reading.found))
    passage = reading.found[reading.candidates[best].place]
    return (
        1 - weight_in(reading.asked, everywhere),
        _heaviest_missing(reading, everywhere),
        1 - weight_in(reading.asked, passage.words),
        _heaviest_missing(reading, passage.words),
    )


def _unmet(reading: Reading, best: int) -> tuple[float, ...]:
    """Names, and words with nothing near in meaning, that the passages lack."""
    asked, passage = reading.asked, reading.found[reading.candidates[best].place]
    everywhere: frozenset[str] = frozenset().union(*(each.words for each in reading.found))
    sentence = reading.candidates[best].sentence.terms | passage.titles
    return (
        _unnamed(asked, everywhere),
        _unnamed(asked, passage.words),
        _unlike(asked, everywhere),
        _unlike(asked, passage.words),
        _unnamed(asked, sentence),
        _unlike(asked, sentence),
    )


def _opposed(reading: Reading, best: int) -> tuple[float, ...]:
    """Whether best sentence and passage speak of the opposite."""
    candidate, asked = reading.candidates[best], reading.asked
    passage = reading.found[candidate.place].hit.passage.text
    return (
        float(asked.denies and not denies(passage)),
        opposites(asked.words, words(candidate.sentence.text)),
        opposites(asked.words, words(passage)),
    )


def _unnamed(asked: Asked, words: frozenset[str]) -> float:
    """The share of the question's names that are missing; of all its terms where it has none."""
    names = asked.names or frozenset(asked.terms)
    return len(names - words) / max(1, len(names))


def _unlike(asked: Asked, words: frozenset[str]) -> float:
    return sum(
        asked.weights[term] * (1 - likest(term, words, lexicon()))
        for term in asked.terms
        if term not in words
    )


def _of_codes(reading: Reading) -> float:
    """What the odds lose where a code is asked for that no passage has, or where the best sentence
    is about another one."""
    best = reading.candidates[reading.best or 0]
    everything = [(sentence, each) for each in reading.found for sentence in each.sentences]
    lost = 0.0
    for code in reading.asked.codes:
        if not any(has_code(code, sentence, each) for sentence, each in everything):
            lost = _UNKNOWN_CODE
    if contradicts(reading.asked, best.sentence, reading.found[best.place]):
        lost += _OTHER_CODE
    return lost


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
