"""Which sentences to quote in answer to a question: the likeliest, and what makes it whole.

Decides over one reading. A further sentence has to be nearly as likely as the first, or to say
what the first leaves out of the question.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from retrieval.sentences import is_item
from retrieval.support.asked import clauses
from retrieval.support.cues import CUES, Sentence, weight_in
from retrieval.support.reading import Candidate, Reading, marked, read
from retrieval.types import Hit

_PREVIOUS = CUES.index("in_previous")
_PRONOUN = CUES.index("pronoun")


@dataclass(frozen=True, slots=True)
class Rules:
    """How much is quoted."""

    sentences: int = 4  # at most, in all
    rivals: int = 3  # sentences quoted for being likely
    rival: float = 0.15  # the least likelihood of a further one, as a share of the first's
    gain: float = 0.3  # the least of the question's weight that a further sentence adds
    apt: float = 0.05  # and its least likelihood, as a share of the first's
    items: int = 3  # of a list after its introduction


ALONE = Rules()
BESIDE = Rules(sentences=2, rivals=1)
"""Where a question joins several."""


Where: TypeAlias = tuple[int, int]
"""A sentence by its passage's place among the hits and where it starts there."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence to quote, by the place of its passage among the hits."""

    place: int
    sentence: Sentence


def quotes(
    question: str, hits: Sequence[Hit], reading: Reading, barred: Collection[Where] = ()
) -> list[Quote]:
    """What to quote, in the order in which it is to be read; empty where nothing was found.

    `reading` is that of the whole question; where it joins several, each is read by itself.
    """
    parts = clauses(question)
    if len(parts) == 1:
        return chosen(marked(reading), ALONE, barred)
    found = [chosen(read(part, hits), BESIDE, barred) for part in parts]
    return list(dict.fromkeys(quote for each in found for quote in each))


def chosen(reading: Reading, rules: Rules, barred: Collection[Where] = ()) -> list[Quote]:
    """What to quote for one question."""
    ranked = sorted(
        (i for i in range(len(reading.candidates)) if _where(reading, i) not in barred),
        key=lambda i: -reading.candidates[i].score,
    )
    if not ranked:
        return []
    best = ranked[0]
    picked = _whole(reading, best, rules, barred)
    likely = 1
    for index in ranked[1:]:
        if len(picked) >= rules.sentences:
            break
        if index in picked or _said(reading, index, picked):
            continue
        share = reading.candidates[index].share / reading.candidates[best].share
        if share < rules.apt:
            break
        rival = share >= rules.rival and likely < rules.rivals
        if rival or _gain(reading, index, picked) >= rules.gain:
            likely += rival
            picked += [i for i in _whole(reading, index, rules, barred) if i not in picked]
    return [_quote(reading.candidates[i]) for i in _readable(reading, picked[: rules.sentences])]


def _where(reading: Reading, index: int) -> Where:
    candidate = reading.candidates[index]
    return candidate.place, candidate.sentence.start


def _whole(reading: Reading, index: int, rules: Rules, barred: Collection[Where]) -> list[int]:
    """The sentence with what it cannot be understood without, most needed first."""
    row, candidate = reading.rows[index], reading.candidates[index]
    whole = [index]
    if row[_PRONOUN] and row[_PREVIOUS] > 0 and _beside(reading, index, -1):
        whole.append(index - 1)
    text = candidate.sentence.text
    following = index + 1
    if text.endswith("?") and _beside(reading, index, 1):
        whole.append(following)
    while (
        text.endswith(":")
        and following - index <= rules.items
        and _beside(reading, following - 1, 1)
        and is_item(reading.candidates[following].sentence.text)
    ):
        whole.append(following)
        following += 1
    return [i for i in whole if _where(reading, i) not in barred]


def _beside(reading: Reading, index: int, step: int) -> bool:
    """Whether the next candidate in that direction is of the same passage."""
    other = index + step
    candidates = reading.candidates
    return 0 <= other < len(candidates) and candidates[other].place == candidates[index].place


def _said(reading: Reading, index: int, picked: Sequence[int]) -> bool:
    """Whether the same words are quoted already, from a passage that overlaps or repeats."""
    text = reading.candidates[index].sentence.text
    return any(text in reading.candidates[i].sentence.text for i in picked)


def _gain(reading: Reading, index: int, picked: Sequence[int]) -> float:
    """The weight of the question's terms that it is the first to bring."""
    said: frozenset[str] = frozenset().union(*(_brings(reading, i) for i in picked))
    return weight_in(reading.asked, _brings(reading, index) | said) - weight_in(reading.asked, said)


def _brings(reading: Reading, index: int) -> frozenset[str]:
    candidate = reading.candidates[index]
    return candidate.sentence.terms | reading.found[candidate.place].titles


def _readable(reading: Reading, picked: Sequence[int]) -> list[int]:
    """Passages by their best sentence, the sentences of each as they stand in it."""
    places = list(dict.fromkeys(reading.candidates[i].place for i in picked))
    return sorted(picked, key=lambda i: (places.index(reading.candidates[i].place), i))


def _quote(candidate: Candidate) -> Quote:
    return Quote(candidate.place, candidate.sentence)
