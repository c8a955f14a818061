"""Signs that a text says the opposite of what a question supposes: denials and opposite words.

A table of common pairs, and no grammar: it sees `largest` against `smallest`, not who did what.
"""

from __future__ import annotations

import re

_DENIAL = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|unable|unlike|hardly|rarely|"
    r"except|exclud\w+|exempt\w*|refus\w+|reject\w*|prohibit\w*|forbid\w*|lack\w*|avoid\w*|fail\w*|"
    r"opposite)\b|n['’]t\b",
    re.IGNORECASE,
)
_PAIRS = (
    "increase decrease, increased decreased, more less, most least, before after, first last, "
    "large small, larger smaller, largest smallest, high low, higher lower, highest lowest, "
    "old new, oldest newest, older younger, long short, longest shortest, early late, "
    "earlier later, earliest latest, north south, northern southern, east west, eastern western, "
    "best worst, better worse, strong weak, win lose, won lost, begin end, start stop, "
    "male female, men women, public private, positive negative, above below, inside outside, "
    "same different, "
    "always never, hot cold, internal external, rich poor, richest poorest, major minor, "
    "left right, good bad, true false, success failure, successful unsuccessful, legal illegal, "
    "open closed, fast slow, fastest slowest, support oppose, accept reject, include exclude, "
    "allow prohibit, gain loss, upper lower, maximum minimum, simple complex, easy difficult, "
    "buy sell, arrive leave, urban rural, domestic foreign, permanent temporary, formal informal, "
    "many few, majority minority, common rare, safe dangerous"
)
_OPPOSITES: dict[str, set[str]] = {}
for _pair in _PAIRS.split(", "):
    _one, _other = _pair.split()
    _OPPOSITES.setdefault(_one, set()).add(_other)
    _OPPOSITES.setdefault(_other, set()).add(_one)


def denies(text: str) -> bool:
    """Whether it says no to something."""
    return _DENIAL.search(text) is not None


def opposites(asked: frozenset[str], said: frozenset[str]) -> int:
    """How many words of a question are missing in a text that has their opposite."""
    return sum(not _OPPOSITES[word].isdisjoint(said) for word in asked - said if word in _OPPOSITES)


def words(text: str) -> frozenset[str]:
    """As written, in lower case."""
    return frozenset(re.findall(r"\w+", text.lower()))
