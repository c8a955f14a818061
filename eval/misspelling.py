"""Questions with a name misspelt as people do it: a letter too many, too few, another, or two
exchanged. The same seed makes the same errors.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

_NAME = re.compile(r"(?<=\w )(?<![.!?] )[A-Z][a-z]{3,}\b")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LONG = 8
"""Letters from which a name gets two errors in half of the questions."""


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A question, and the word in it that was changed."""

    text: str
    meant: str
    written: str


def misspelt(question: str, chosen: random.Random) -> Misspelt | None:
    """One name of the question otherwise; None where it has none of four letters or more."""
    names = list(_NAME.finditer(question))
    if not names:
        return None
    name = chosen.choice(names)
    word = name.group()
    errors = 2 if len(word) >= _LONG and chosen.random() < 0.5 else 1
    while word == name.group():  # two equal letters exchanged are none
        for _ in range(errors):
            word = _erred(word, chosen)
    text = f"{question[: name.start()]}{word}{question[name.end() :]}"
    return Misspelt(text, name.group(), word)


def _erred(word: str, chosen: random.Random) -> str:
    """Behind the first letter, in which few err."""
    at = chosen.randrange(1, len(word))
    letter = chosen.choice(_LETTERS)
    match chosen.choice(("more", "fewer", "another", "exchanged")):
        case "more":
            return word[:at] + letter + word[at:]
        case "fewer":
            return word[:at] + word[at + 1 :]
        case "another":
            return word[:at] + letter + word[at + 1 :]
        case _:
            return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
