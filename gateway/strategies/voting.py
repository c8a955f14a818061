"""Which of several answers most of the others agree with: a decision over texts, no I/O.

Short answers agree where they are the same once spelling is put aside, JSON where it has the same
values. Longer ones agree where they use the same words and name the same figures: whether they
mean the same is not understood here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

SHORT = 12  # words, up to which an answer is compared as a whole
ALIKE = 0.6  # of the words of two answers, that they have in common

_MARKER = re.compile(r"\[\d+\]|\[unsupported\]")
_CONCLUSION = re.compile(
    r"\\boxed\{([^{}]++)\}|\b(?:final )?answer(?:\s++is\b)?+(?:\s*+[:=])?+\s++([^\n]++)",
    re.IGNORECASE,
)
"""No repetition gives back what it took, so that a text of blanks takes no longer than others."""
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[%€$£°]")


@dataclass(frozen=True, slots=True)
class Vote:
    """The answer that won, and the share of all that agree with it."""

    winner: int
    agreement: float


def vote(texts: Sequence[str]) -> Vote:
    """The answer with the most like it; of several the one that is most like the others, then the
    first."""
    ballots = [_ballot(text) for text in texts]
    likeness = [[_likeness(one, other) for other in ballots] for one in ballots]
    voters = [sum(each >= ALIKE for each in row) for row in likeness]
    winner = max(range(len(texts)), key=lambda n: (voters[n], sum(likeness[n]), -n))
    return Vote(winner, voters[winner] / len(texts))


@dataclass(frozen=True, slots=True)
class _Ballot:
    """What of an answer is compared."""

    words: Counter[str]
    figures: frozenset[str]
    whole: bytes | None  # where it agrees only with the same


def _ballot(text: str) -> _Ballot:
    if (value := _json(text)) is not None:
        return _Ballot(Counter(), frozenset(), value)
    plain = _MARKER.sub(" ", text)
    ends = _CONCLUSION.findall(plain)
    said = _words(ends[-1][0] or ends[-1][1]) if ends else _words(plain)
    whole = " ".join(said).encode() if len(said) <= SHORT else None
    figures = frozenset(word for word in said if word[0].isdigit())
    return _Ballot(Counter(said), figures, whole)


def _json(text: str) -> bytes | None:
    """An object or a list, its keys in order; None where it is prose."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return None


def _words(text: str) -> list[str]:
    words = _WORD.findall(_GROUPED.sub("", text.casefold()))
    # 42 and 42.0 are the same figure.
    return [f"{float(word):g}" if word[0].isdecimal() and "." in word else word for word in words]


def _likeness(one: _Ballot, other: _Ballot) -> float:
    """From 0 to 1: Dice's coefficient of the words."""
    if one.whole is not None and other.whole is not None:
        return float(one.whole == other.whole)
    if one.figures != other.figures:
        return 0.0
    words = one.words.total() + other.words.total()
    return 2 * (one.words & other.words).total() / words if words else 0.0
