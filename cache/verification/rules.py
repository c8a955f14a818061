"""What two questions differ in that changes the answer, whatever else they share.

Sure signs only: each of the two says something of a kind, and not the same: another number, unit,
date or name, the opposite word, one negation more, the other way round, another kind of question.
What only one of them says is left to the judgement that is learned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

from cache.verification.words import (
    DATES,
    NAMES,
    NEGATIONS,
    NO_NUMBERS,
    NUMBERS,
    OPPOSITES,
    UNITS,
)

Things: TypeAlias = Counter[tuple[int, str]]
"""Things with their kinds, as often as they are named."""

_TOKEN = re.compile(
    r"(?P<number>\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<ending>[^\W\d_]*)(?![\w])"
    r"|(?P<word>[$€£¥₹]|c\+\+|c#|[^\W\d_](?:\.[^\W\d_])+|[^\W_]+(?:['’][^\W\d_]+)?)"
    r"|(?P<end>[.?!:])"
)
_IDENTIFIER = re.compile(
    r"\b(?=\w*\d)(?=\w*[^\W\d])\w+(?:[-.]\w+)*\b|\b\w+(?:_\w+)+\b|\b\d+(?:[-.]\d+){2,}\b"
)
_ORDINALS = frozenset(("st", "nd", "rd", "th", "s", "k", "x"))
_BEGINNING = 3
"""Words from which a question's kind is told."""
_TOWARDS = frozenset(("to", "into", "than", "over", "from", "after", "before"))
_KINDS: Mapping[str, str] = {
    "when": "when", "where": "where", "who": "who", "whom": "who", "whose": "who", "why": "why",
}  # fmt: skip
_AMOUNTS = frozenset(("many", "much", "often", "far", "old", "tall", "long", "big", "fast", "deep"))
_ASIDE_WORDS = "a an the my your his her its their this that these those some any of in"
_ASIDE = frozenset(_ASIDE_WORDS.split())


@dataclass(frozen=True, slots=True)
class Facts:
    """What a question says, as far as the rules know."""

    words: tuple[str, ...]
    numbers: Counter[float]
    units: Things
    dates: Things
    names: Things
    proper: frozenset[str]  # words that are capitalised inside a sentence
    identifiers: Counter[str]
    negations: int
    kind: str  # of question; "" where any might answer it
    directed: frozenset[tuple[str, str]]


@lru_cache(maxsize=4096)
def facts(question: str) -> Facts:
    """A question's facts; candidates come again and again, so they are remembered."""
    words, proper, numbers = _read(question)
    return Facts(
        words=words,
        numbers=numbers,
        units=_things(words, UNITS),
        dates=_things(words, DATES),
        names=_things(words, NAMES),
        proper=proper,
        identifiers=Counter(_IDENTIFIER.findall(question.lower())),
        negations=_negations(words),
        kind=_kind(words),
        directed=frozenset(_directed(words)),
    )


def conflicts(asked: Facts, known: Facts) -> list[str]:
    """Why the answer to the one cannot be the answer to the other; empty where nothing says so."""
    reasons = [
        _apart("number", asked.numbers, known.numbers),
        _kinds_apart("unit", asked.units, known.units),
        _kinds_apart("date", asked.dates, known.dates),
        _kinds_apart("name", asked.names, known.names),
        _apart("identifier", asked.identifiers, known.identifiers),
        _proper_apart(asked, known),
        _opposite(asked, known),
        _reversed(asked, known),
    ]
    if (asked.negations - known.negations) % 2:
        reasons.append("negation: only one of the two")
    if asked.kind and known.kind and asked.kind != known.kind:
        reasons.append(f"question: {asked.kind} / {known.kind}")
    return [reason for reason in reasons if reason]


def _read(question: str) -> tuple[tuple[str, ...], frozenset[str], Counter[float]]:
    words: list[str] = []
    proper = set()
    numbers: Counter[float] = Counter()
    inside = False  # a sentence has begun
    for found in _TOKEN.finditer(question):
        if found["end"]:
            inside = False
            continue
        if found["number"]:
            numbers[_value(found["number"], found["ending"].lower())] += 1
            words.append(found["number"])
            if (ending := found["ending"].lower()) and ending not in _ORDINALS:
                words.append(ending)
        else:
            text = found["word"]
            word = text.lower().replace("’", "'").removesuffix("'s")
            words.append(word)
            if word in NUMBERS and word not in NO_NUMBERS:
                numbers[float(NUMBERS[word])] += 1
            if inside and text[0].isupper() and len(word) > 1:
                proper.add(word)
        inside = True
    return tuple(words), frozenset(proper), numbers


def _value(number: str, ending: str) -> float:
    value = float(number.replace(",", ""))
    return value * 1000 if ending == "k" else value


def _things(words: Iterable[str], known: Mapping[str, Sequence[tuple[int, str]]]) -> Things:
    return Counter(thing for word in words for thing in known.get(word, ()))


def _negations(words: tuple[str, ...]) -> int:
    """`Isn't it …?` asks what `is it …?` asks."""
    return sum(
        word in NEGATIONS or (word.endswith("n't") and place > 0)
        for place, word in enumerate(words)
    )


def _kind(words: tuple[str, ...]) -> str:
    for place, word in enumerate(words[:_BEGINNING]):
        if word == "how" and words[place + 1 : place + 2] and words[place + 1] in _AMOUNTS:
            return f"how {words[place + 1]}"
        if word in _KINDS:
            return _KINDS[word]
        if word in ("how", "what", "which"):
            return ""
    return ""


def _directed(words: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Words that give a direction, each with what it leads to."""
    told = [word for word in words if word not in _ASIDE]
    return ((word, object_) for word, object_ in pairwise(told) if word in _TOWARDS)


def _apart(what: str, asked: Counter[Any], known: Counter[Any]) -> str:
    """Each has one that the other lacks."""
    if not asked or not known:
        return ""
    mine, theirs = asked - known, known - asked
    return f"{what}: {_listed(mine)} / {_listed(theirs)}" if mine and theirs else ""


def _kinds_apart(what: str, asked: Things, known: Things) -> str:
    """The same, of one kind of thing."""
    if not asked or not known:
        return ""
    mine, theirs = asked - known, known - asked
    for kind, thing in mine:
        if others := [other for another, other in theirs if another == kind]:
            return f"{what}: {thing} / {_listed(others)}"
    return ""


def _proper_apart(asked: Facts, known: Facts) -> str:
    if not asked.proper or not known.proper:
        return ""
    mine = asked.proper.difference(known.words)
    theirs = known.proper.difference(asked.words)
    mine, theirs = _unlike(mine, theirs), _unlike(theirs, mine)
    return f"name: {_listed(mine)} / {_listed(theirs)}" if mine and theirs else ""


def _unlike(words: Iterable[str], others: Iterable[str]) -> frozenset[str]:
    """Those that are not another's beginning: a plural, or an abbreviation."""
    return frozenset(
        word for word in words
        if not any(word[:4] == other[:4] or (word[0] == other[0] and min(len(word), len(other)) < 4)
                   for other in others)
    )  # fmt: skip


def _opposite(asked: Facts, known: Facts) -> str:
    """A word stands on one side more often, and its opposite on the other."""
    for word in {word for word in asked.words if word in OPPOSITES}:
        if asked.words.count(word) <= known.words.count(word):
            continue
        if against := [
            other
            for other in OPPOSITES[word]
            if known.words.count(other) > asked.words.count(other)
        ]:
            return f"opposite: {word} / {_listed(against)}"
    return ""


def _reversed(asked: Facts, known: Facts) -> str:
    """What one of them leads to stands in the other too, but elsewhere, and the other way round."""
    for towards, mine in asked.directed - known.directed:
        for again, theirs in known.directed - asked.directed:
            if towards == again and mine in known.words and theirs in asked.words:
                return f"direction: {mine} and {theirs} exchanged"
    return ""


def _listed(found: Iterable[float | str]) -> str:
    return ", ".join(sorted(f"{each:g}" if isinstance(each, float) else each for each in found))
