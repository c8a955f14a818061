"""Which sentences to quote in answer to a question: the likeliest, and what makes it whole.

Decides over one reading. A further sentence has to be nearly as likely as the first, or to say
what the first leaves out of the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.sentences import is_item
from retrieval.support.cues import CUES, Sentence, weight_in
from retrieval.support.reading import Candidate, Reading

_PREVIOUS = CUES.index("in_previous")
_PRONOUN = CUES.index("pronoun")


@dataclass(frozen=True, slots=True)
class Rules:
    """How much is quoted."""

    sentences: int = 4  # at most, in all
    rivals: int = 3  # sentences quoted for being likely
    rival: float = 0.2  # the least likelihood of a further one, as a share of the first's
    gain: float = 0.3  # the least of the question's weight that a further sentence adds
    apt: float = 0.05  # and its least likelihood, as a share of the first's
    items: int = 3  # of a list after its introduction


DEFAULT = Rules()


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence to quote, by the place of its passage among the hits."""

    place: int
    sentence: Sentence


def quotes(reading: Reading, rules: Rules = DEFAULT) -> list[Quote]:
    """What to quote, in the order in which it is to be read; empty where nothing was found."""
    best = reading.best
    if best is None:
        return []
    ranked = sorted(range(len(reading.candidates)), key=lambda i: -reading.candidates[i].score)
    chosen = _whole(reading, best, rules)
    likely = 1
    for index in ranked[1:]:
        if len(chosen) >= rules.sentences:
            break
        if index in chosen or _said(reading, index, chosen):
            continue
        share = reading.candidates[index].share / reading.candidates[best].share
        if share < rules.apt:
            break
        rival = share >= rules.rival and likely < rules.rivals
        if rival or _gain(reading, index, chosen) >= rules.gain:
            likely += rival
            chosen += [i for i in _whole(reading, index, rules) if i not in chosen]
    return [_quote(reading.candidates[i]) for i in _readable(reading, chosen[: rules.sentences])]


def _whole(reading: Reading, index: int, rules: Rules) -> list[int]:
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
    return whole


def _beside(reading: Reading, index: int, step: int) -> bool:
    """Whether the next candidate in that direction is of the same passage."""
    other = index + step
    candidates = reading.candidates
    return 0 <= other < len(candidates) and candidates[other].place == candidates[index].place


def _said(reading: Reading, index: int, chosen: Sequence[int]) -> bool:
    """Whether the same words are quoted already, from a passage that overlaps or repeats."""
    text = reading.candidates[index].sentence.text
    return any(text in reading.candidates[i].sentence.text for i in chosen)


def _gain(reading: Reading, index: int, chosen: Sequence[int]) -> float:
    """The weight of the question's terms that it is the first to bring."""
    said: frozenset[str] = frozenset().union(*(_brings(reading, i) for i in chosen))
    return weight_in(reading.asked, _brings(reading, index) | said) - weight_in(reading.asked, said)


def _brings(reading: Reading, index: int) -> frozenset[str]:
    candidate = reading.candidates[index]
    return candidate.sentence.terms | reading.found[candidate.place].titles


def _readable(reading: Reading, chosen: Sequence[int]) -> list[int]:
    """Passages by their best sentence, the sentences of each as they stand in it."""
    places = list(dict.fromkeys(reading.candidates[i].place for i in chosen))
    return sorted(chosen, key=lambda i: (places.index(reading.candidates[i].place), i))


def _quote(candidate: Candidate) -> Quote:
    return Quote(candidate.place, candidate.sentence)
