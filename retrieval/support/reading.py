"""A question read against the passages found for it: every sentence with its chance to answer.

One reading serves both the choice of quotes and the judgement whether there is an answer at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from retrieval.support.asked import Asked, asked, within
from retrieval.support.cues import CUES, Evidence, Sentence, contradicts, cues, evidence, has_code
from retrieval.support.lexicon import lexicon
from retrieval.support.network import Array, Network
from retrieval.types import Hit

_FILE = Path(__file__).with_name("sentences.json")

_READ = 0.2
"""How much a reader's log-odds count beside the words'; as validation questions have it."""
# Codes decide where they are asked for. Set by hand: no public set of questions has enough of them.
_CODE_HERE, _CODE_ABOVE, _OTHER_CODE = 3.0, 2.0, -2.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence, by the place of its passage among the hits, and how likely it answers."""

    place: int
    sentence: Sentence
    score: float
    share: float  # of all sentences' likelihood; they sum to 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What one question and its passages say to each other."""

    asked: Asked
    found: Sequence[Evidence]
    rows: Array  # the cues, one row a candidate
    candidates: Sequence[Candidate]  # in the passages' order

    @property
    def best(self) -> int | None:
        """The likeliest candidate's index."""
        scores = [candidate.score for candidate in self.candidates]
        return int(np.argmax(scores)) if scores else None


def read(question: str, hits: Sequence[Hit], network: Network | None = None) -> Reading:
    """Read the passages for the question. Takes milliseconds: not for the event loop."""
    what = asked(question, lexicon())
    found = evidence(hits)
    rows = np.asarray(cues(what, found, lexicon()), dtype=np.float32).reshape(-1, len(CUES))
    places = [(p, s) for p, each in enumerate(found) for s in each.sentences]
    scores = (network or fitted())(rows) + _code_scores(what, found)
    shares = _shares(scores)
    candidates = [
        Candidate(place, sentence, float(score), float(share))
        for (place, sentence), score, share in zip(places, scores, shares, strict=True)
    ]
    return Reading(what, found, rows, candidates)


def marked(reading: Reading) -> Reading:
    """The same with what a reader made of the sentences, if one has read the passages.

    For choosing among them: the judgement whether any answers is fitted to the words alone."""
    sure = [each.sentence.answer_in(reading.found[each.place].hit) for each in reading.candidates]
    known = [answer.score for answer in sure if answer]
    if not known:
        return reading
    usual = sum(known) / len(known)  # of what lay beyond the tokens that were read
    scores = np.array(
        [
            each.score + _READ * (answer.score if answer else usual)
            for each, answer in zip(reading.candidates, sure, strict=True)
        ]
    )
    candidates = [
        replace(each, score=float(score), share=float(share))
        for each, score, share in zip(reading.candidates, scores, _shares(scores), strict=True)
    ]
    return replace(reading, candidates=candidates)


@cache
def fitted() -> Network:
    """The weights that come with the package."""
    return Network.read(json.loads(_FILE.read_text(encoding="utf-8")), CUES)


def _code_scores(what: Asked, found: Sequence[Evidence]) -> Array:
    if not what.codes:
        return np.zeros(sum(len(each.sentences) for each in found), dtype=np.float32)
    return np.array(
        [_code_score(what, sentence, each) for each in found for sentence in each.sentences],
        dtype=np.float32,
    )


def _code_score(what: Asked, sentence: Sentence, each: Evidence) -> float:
    score = _OTHER_CODE if contradicts(what, sentence, each) else 0.0
    for code in what.codes:
        if code in sentence.figures or within(code, sentence.ranges):
            score += _CODE_HERE / len(what.codes)
        elif has_code(code, sentence, each):
            score += _CODE_ABOVE / len(what.codes)
    return score


def _shares(scores: Array) -> Array:
    if not len(scores):
        return scores
    powers = np.exp(scores - scores.max())
    shares: Array = powers / powers.sum()
    return shares
