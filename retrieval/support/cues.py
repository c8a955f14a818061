"""What speaks for a sentence as the answer to a question: the cues, as numbers.

Each cue compares within the question or within the passages found, never with a corpus, so that
they mean the same in a small collection and in a large one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from retrieval.sentences import is_item, is_row, sentences
from retrieval.support.asked import Asked, Range, canonical, figures_in, ranges_in, series, within
from retrieval.support.lexicon import Lexicon
from retrieval.support.wanted import holds_answer
from retrieval.types import Hit, Passage, Span
from retrieval.words import terms

KINDS = (
    *("number", "percent", "money", "measure", "when"),
    *("who", "where", "why", "how", "naming"),
)
CUES = (
    *("in_sentence", "in_sentence_rare", "in_sentence_local", "in_titles", "in_previous"),
    *("in_next", "in_passage", "passage", "below_best", "below_best_with_context", "count"),
    *("rarest", "near", "focus", "pairs", "length", "precision", "numbers", "numbers_missing"),
    *("question", "first", "pronoun", "item", "row"),
    *("rank", "score", "dense", "dense_below_best"),
    *KINDS,
)

_PRONOUN = re.compile(
    r"(?:it|its|they|their|this|these|those|he|she|his|her|such|the latter|both|here|there)\b", re.I
)
_LIKE = 0.45
"""Likenesses below this are chance."""
_MIDDLING = 0.4
"""A cosine that says nothing: where no half is dense."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage as it is compared: `passage.text[start:end]`."""

    start: int
    end: int
    text: str
    order: tuple[str, ...]  # its terms as they come
    terms: frozenset[str]
    figures: frozenset[str]
    ranges: tuple[Range, ...]

    def answer_in(self, hit: Hit) -> Span | None:
        """What a reader has marked in it, if one has read the passage."""
        inside = (each for each in hit.answers if self.start <= each.start < self.end)
        return max(inside, key=lambda each: each.score, default=None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage found, cut into sentences, with what its titles and metadata say."""

    hit: Hit
    dense: float  # cosine, as far as it is known
    sentences: tuple[Sentence, ...]
    titles: frozenset[str]
    figures: frozenset[str]  # of the titles
    words: frozenset[str]  # terms of all of it, titles included


@dataclass(frozen=True, slots=True)
class _Found:
    """What all passages have together."""

    local: Mapping[str, float]  # weights, by how few of the sentences have the term
    local_total: float
    best: float  # weight of the question in the best sentence of all
    top: float  # best fused score
    dense: float  # best cosine


def evidence(hits: Sequence[Hit]) -> list[Evidence]:
    """The passages as they are compared."""
    known = [hit.dense for hit in hits if hit.dense is not None]
    # What the dense half did not see is no nearer than the farthest that it saw.
    least = min(known, default=_MIDDLING)
    return [_evidence(hit, least if hit.dense is None else hit.dense) for hit in hits]


def cues(asked: Asked, found: Sequence[Evidence], lexicon: Lexicon) -> list[list[float]]:
    """One row of CUES for each sentence of each passage, in order."""
    together = _together(asked, found)
    rows: list[list[float]] = []
    for rank, each in enumerate(found):
        rows += _of_passage(asked, each, rank, together, lexicon)
    return rows


def weight_in(asked: Asked, words: Collection[str]) -> float:
    """The share of the question's weight that these words have."""
    return sum(asked.weights[term] for term in asked.terms if term in words) / asked.total


def has_code(code: str, sentence: Sentence, each: Evidence) -> bool:
    """Whether the sentence or its titles name it: `the 500 and the 1000` names the Ballast 1000
    where Ballast is said nearby."""
    if code in sentence.figures or code in each.figures or within(code, sentence.ranges):
        return True
    name, space, number = code.partition(" ")
    nearby = sentence.terms | each.titles
    return bool(space) and name in nearby and number in sentence.figures | each.figures


def contradicts(asked: Asked, sentence: Sentence, each: Evidence) -> bool:
    """Whether it is about another code of the same series than the one asked for."""
    missing = [code for code in asked.codes if not has_code(code, sentence, each)]
    if not missing:
        return False
    wanted = {series(code) for code in missing}
    return any(series(figure) in wanted for figure in (sentence.figures | each.figures))


def likest(term: str, among: frozenset[str], lexicon: Lexicon) -> float:
    """How near in meaning the nearest of these terms is."""
    near = lexicon.near(term)
    return max((near[other] for other in among if other in near), default=0.0) if near else 0.0


def _evidence(hit: Hit, dense: float) -> Evidence:
    passage = hit.passage
    cut = _cut(passage.text)
    titles = _titles(passage)
    words = titles.union(*(sentence.terms for sentence in cut))
    figures = figures_in(" ".join((passage.title, *passage.headings)))
    return Evidence(hit, dense, cut, titles, figures, words)


@lru_cache(maxsize=1024)
def _cut(text: str) -> tuple[Sentence, ...]:
    """The sentences that have a letter or a digit."""
    cut = []
    for start, end in sentences(text):
        piece = text[start:end]
        if any(c.isalnum() for c in piece):
            order = tuple(terms(canonical(piece)))
            figures, ranges = figures_in(piece), ranges_in(piece)
            cut.append(Sentence(start, end, piece, order, frozenset(order), figures, ranges))
    return tuple(cut)


def _titles(passage: Passage) -> frozenset[str]:
    """Regions and years stand in titles and metadata more often than in sentences."""
    said = (str(value) for value in passage.meta.values() if isinstance(value, str | int))
    return frozenset(terms(canonical(" ".join((passage.title, *passage.headings, *said)))))


def _together(asked: Asked, found: Sequence[Evidence]) -> _Found:
    all_terms = [sentence.terms for each in found for sentence in each.sentences]
    local = _rarity(asked, all_terms)
    return _Found(
        local=local,
        local_total=sum(local.values()) or 1.0,
        best=max((weight_in(asked, words) for words in all_terms), default=0.0),
        top=max((each.hit.score for each in found), default=0.0) or 1.0,
        dense=max((each.dense for each in found), default=0.0),
    )


def _rarity(asked: Asked, among: Sequence[frozenset[str]]) -> dict[str, float]:
    """The question's weights, more for a term that few of these sentences have."""
    scale = math.log(len(among) + 1.5)
    having = {term: sum(term in words for words in among) for term in asked.terms}
    return {
        term: asked.weights[term] * math.log((len(among) + 1) / (count + 0.5)) / scale
        for term, count in having.items()
    }


def _of_passage(
    asked: Asked, each: Evidence, rank: int, together: _Found, lexicon: Lexicon
) -> list[list[float]]:
    cut, hit = each.sentences, each.hit
    inside = _rarity(asked, [sentence.terms for sentence in cut])
    inside = {term: weight for term, weight in inside.items() if term in each.words}
    inside_total = sum(inside.values()) or 1.0
    alone = [weight_in(asked, sentence.terms) for sentence in cut]
    around = [_around(asked, each, i) for i in range(len(cut))]
    passage = weight_in(asked, each.words)
    standing = [1 / (1 + rank), hit.score / together.top, each.dense, each.dense - together.dense]
    rows = []
    for i, sentence in enumerate(cut):
        matched = [term for term in asked.terms if term in sentence.terms]
        rows.append(
            [
                alone[i],
                sum(together.local[term] for term in matched) / together.local_total,
                sum(inside.get(term, 0.0) for term in matched) / inside_total,
                *_elsewhere(asked, each, i),
                passage,
                alone[i] - max(alone),
                around[i] - max(around),
                len(matched) / max(1, len(asked.terms)),
                max((together.local[term] for term in matched), default=0.0),
                _near(asked, sentence, each.titles, lexicon),
                _focus(asked, sentence, lexicon),
                _pairs(asked, sentence),
                math.log1p(len(sentence.order)),
                len(matched) / max(1, len(sentence.terms)),
                *_numbers(asked, sentence, each.figures),
                float(sentence.text.endswith("?")),
                float(i == 0),
                float(_PRONOUN.match(sentence.text) is not None),
                float(is_item(sentence.text)),
                float(is_row(sentence.text)),
                *standing,
                *_kinds(asked, sentence),
            ]
        )
    return rows


def _around(asked: Asked, each: Evidence, place: int) -> float:
    """The question's weight in a sentence, the one before it, and the titles."""
    before = each.sentences[place - 1].terms if place else frozenset[str]()
    return weight_in(asked, each.sentences[place].terms | before | each.titles)


def _elsewhere(asked: Asked, each: Evidence, place: int) -> tuple[float, ...]:
    """Where the passage has what the sentence lacks: titles, neighbours, the rest."""
    cut = each.sentences
    before = cut[place - 1].terms if place else frozenset[str]()
    after = cut[place + 1].terms if place + 1 < len(cut) else frozenset[str]()
    shares = []
    missing = [term for term in asked.terms if term not in cut[place].terms]
    for words in (each.titles, before, after, each.words):
        shares.append(sum(asked.weights[t] for t in missing if t in words) / asked.total)
        missing = [term for term in missing if term not in words]
    return tuple(shares)


def _near(asked: Asked, sentence: Sentence, titles: frozenset[str], lexicon: Lexicon) -> float:
    """The weight of missing terms for which the sentence has one near in meaning."""
    weight = 0.0
    for term in asked.terms:
        if term not in sentence.terms and term not in titles:
            likeness = likest(term, sentence.terms, lexicon)
            weight += asked.weights[term] * max(0.0, likeness - _LIKE) / (1 - _LIKE)
    return weight / asked.total


def _focus(asked: Asked, sentence: Sentence, lexicon: Lexicon) -> float:
    """Which river? A sentence that has one of the words near to rivers."""
    if asked.focus is None:
        return 0.0
    return likest(asked.focus, sentence.terms.difference(asked.terms), lexicon)


def _pairs(asked: Asked, sentence: Sentence) -> float:
    if not asked.pairs:
        return 0.0
    both = asked.pairs.intersection(pairwise(sentence.order))
    weights = asked.weights
    return sum(weights[a] + weights[b] for a, b in both) / (2 * asked.total)


def _numbers(asked: Asked, sentence: Sentence, titles: frozenset[str]) -> tuple[float, float]:
    """The shares of the question's numbers that the sentence has, and that nothing near it has."""
    if not asked.numbers:
        return 0.0, 0.0
    here = asked.numbers & sentence.figures
    missing = asked.numbers - here - titles
    return len(here) / len(asked.numbers), len(missing) / len(asked.numbers)


def _kinds(asked: Asked, sentence: Sentence) -> list[float]:
    """1 where the sentence holds the wanted kind of answer, -1 where not, 0 for other kinds."""
    if asked.kind == "other":
        return [0.0] * len(KINDS)
    sign = 1.0 if holds_answer(asked, sentence.text) else -1.0
    return [sign if kind == asked.kind else 0.0 for kind in KINDS]
