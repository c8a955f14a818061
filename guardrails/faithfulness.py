"""How far the words of an answer are backed by the passages that it cites. Lexical alone.

It sees what is unsupported: content that no passage has, a wrong number, a wrong code, a negation
that the passage lacks. It does not see meaning: a claim that uses the passage's own words to say
something else passes, and an honest paraphrase in other words fails. Its score is a hint and a
flag, not a reason to block.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.sentences import sentences
from retrieval.words import terms

SUPPORTED = 0.5
"""From this support on a claim counts as backed."""

_WRONG_FIGURE = 0.3  # the most that a claim gets whose numbers the passage does not have
_WRONG_POLARITY = 0.4  # what is left where the claim denies what is said, or says what is denied
_SAME_THING = 0.7  # a sentence with so much of a claim is about it, so that its polarity counts
_AROUND = 1  # sentences to either side of the nearest that are read with it

_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|unable|excluded?|"
    r"prohibited|forbidden)\b|n['’]t\b",
    re.IGNORECASE,
)
_COUNTED = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {  # "one" is too often no number
    **{word: str(number) for number, word in enumerate(_COUNTED.split(), 2)},
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "ninety": "90",
}
_WORD = re.compile(r"[A-Za-z]+")
_MARKER = re.compile(r"\[\d{1,3}(?:\s?[,;–-]\s?\d{1,3})*\]|\[unsupported\]")


@dataclass(frozen=True, slots=True)
class _Read:
    """A stretch of text as it is compared."""

    terms: frozenset[str]
    figures: frozenset[str]
    negated: bool


class Evidence:
    """The numbered passages that an answer may stand on."""

    def __init__(self, passages: Mapping[int, str]) -> None:
        self._passages = passages
        self._weights: Mapping[str, float] | None = None

    def support(self, claim: str, number: int) -> float:
        """From 0 to 1: how much of the claim's weight passage `number` has."""
        return self._support(_read(_MARKER.sub("", claim)), (number,))

    def best(self, claim: str) -> tuple[int, float] | None:
        """The passage that supports a claim most, with its support; None without passages."""
        read = _read(_MARKER.sub("", claim))
        return max(
            ((n, self._support(read, (n,))) for n in self._passages),
            key=lambda each: (each[1], -each[0]),
            default=None,
        )

    def together(self, claim: str, numbers: Sequence[int]) -> float:
        """The support of several passages read as one."""
        return self._support(_read(_MARKER.sub("", claim)), numbers)

    def _support(self, claim: _Read, numbers: Sequence[int]) -> float:
        read = [s for n in numbers if n in self._passages for s in self._read(n)]
        if not claim.terms:
            return 1.0
        if not read:
            return 0.0
        weights = self._weigh()
        unseen = math.log(1 + len(read))
        weighed = {term: weights.get(term, unseen) for term in claim.terms}
        at = max(range(len(read)), key=lambda i: _weight(weighed, read[i].terms))
        around = read[max(0, at - _AROUND) : at + _AROUND + 1]
        # Words strewn over a passage support less than the same words side by side.
        covered = (_coverage(weighed, read) + _coverage(weighed, around)) / 2
        if claim.figures.difference(*(s.figures for s in read)):
            return min(covered, _WRONG_FIGURE)
        if claim.negated != read[at].negated and _coverage(weighed, [read[at]]) >= _SAME_THING:
            return covered * _WRONG_POLARITY
        return covered

    def _read(self, number: int) -> tuple[_Read, ...]:
        return _read_passage(self._passages[number])

    def _weigh(self) -> Mapping[str, float]:
        """A rare term says more than a common one: inverse sentence frequency."""
        if self._weights is None:
            read = [s for number in self._passages for s in self._read(number)]
            frequencies = Counter(term for s in read for term in s.terms)
            self._weights = {t: math.log(1 + len(read) / n) for t, n in frequencies.items()}
        return self._weights


def faithfulness(claims: Iterable[tuple[str, Sequence[int]]], evidence: Evidence) -> float | None:
    """The share of claims that the passages they cite support; None where nothing is claimed.

    A claim is its text and the numbers it cites; one that cites nothing is not supported.
    """
    supported = [
        bool(numbers) and evidence.together(text, numbers) >= SUPPORTED for text, numbers in claims
    ]
    return sum(supported) / len(supported) if supported else None


@lru_cache(maxsize=2_048)  # The same passages are cited again and again.
def _read_passage(text: str) -> tuple[_Read, ...]:
    return tuple(_read(text[start:end]) for start, end in sentences(text))


def _read(text: str) -> _Read:
    words = (word.lower() for word in _WORD.findall(text))
    figures = {_plain(figure) for figure in _FIGURE.findall(text)}
    figures |= {_NUMBER_WORDS[word] for word in words if word in _NUMBER_WORDS}
    return _Read(frozenset(terms(text)), frozenset(figures), bool(_NEGATION.search(text)))


def _weight(weighed: Mapping[str, float], present: frozenset[str]) -> float:
    return sum(weight for term, weight in weighed.items() if term in present)


def _coverage(weighed: Mapping[str, float], read: Sequence[_Read]) -> float:
    """The share of a claim's weight that these sentences have together."""
    present = frozenset[str]().union(*(s.terms for s in read))
    return _weight(weighed, present) / sum(weighed.values())


def _plain(figure: str) -> str:
    """`1,000.50` and `1000.5` are the same figure."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", figure):
        figure = figure.replace(",", "")
    return figure.rstrip("0").rstrip(".") if "." in figure else figure
