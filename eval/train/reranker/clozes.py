"""Questions made of statements: what stands in a sentence is taken out and asked for.

`The league was founded in 1962 by John Hill.` becomes `when was league founded John Hill`. Crude
questions, but as many as there is text, and their answers are known. Rules for English alone; it
knows no model.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.sentences import sentences
from retrieval.stop_words import FUNCTION_WORDS

_FUNCTION = FUNCTION_WORDS["en"] | {"which", "who", "what", "when", "where", "how", "many"}
_TOKEN = re.compile(r"\$?\d[\d,.]*\d%?|\w+(?:['’.-]\w+)*%?|[^\w\s]")
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_MONTH = re.compile(
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_PLACED = frozenset({"in", "at", "near", "from"})
_BEFORE_PHRASES = frozenset({"the", "a", "an", "its", "their", "his", "her", "of", "by", "for"})
_BEFORE_PHRASES |= {"with", "as", "to", "into", "from", "called"}
_IN_NAMES, _IN_LISTS = frozenset({"of", "the", "de"}), frozenset({",", "and"})
_FEWEST, _MOST = 4, 14  # words of a question beside its question word
_SHORTEST = 6  # words of a sentence
_LONGEST = 4  # words of an answer that is no name


@dataclass(frozen=True, slots=True)
class Cloze:
    """A question on a text: where its answer stands, and the sentence that says it."""

    question: str
    answer: tuple[int, int]
    sentence: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int

    @property
    def plain(self) -> bool:
        """In small letters, and with a meaning of its own."""
        return self.text.isalpha() and self.text.islower() and self.text not in _FUNCTION

    @property
    def mark(self) -> bool:
        return not any(letter.isalnum() for letter in self.text)


def cloze(text: str, dice: random.Random) -> Cloze | None:
    """A question on one of the text's sentences; None where none has anything to ask for."""
    spans = sentences(text)
    for start, end in dice.sample(spans, min(3, len(spans))):
        words = [
            _Word(found[0], start + found.start(), start + found.end())
            for found in _TOKEN.finditer(text[start:end])
        ]
        if len(words) < _SHORTEST:
            continue
        if stretches := [*_names(words), *_numbers(words), *_phrases(words)]:
            first, last = dice.choice(stretches)
            asked = _question(words, first, last, dice)
            if asked:
                return Cloze(asked, (words[first].start, words[last].end), (start, end))
    return None


def _names(words: Sequence[_Word]) -> list[tuple[int, int]]:
    """Runs of words in capitals, with what joins them; dates are such runs too."""
    found = []
    place = 0
    while place < len(words):
        if not words[place].text[0].isupper():
            place += 1
            continue
        last = _end_of_name(words, place)
        alone = place == last and (place == 0 or words[place].text.lower() in _FUNCTION)
        if not alone:
            found.append((place, last))
        place = last + 1
    return found


def _end_of_name(words: Sequence[_Word], first: int) -> int:
    """The last word of the name that begins there. A date goes on with figures."""
    last, dated = first, bool(_MONTH.match(words[first].text))
    for place, word in enumerate(words[first + 1 :], start=first + 1):
        if word.text[0].isupper() or (word.text[0].isdigit() and _MONTH.match(words[last].text)):
            last = place
        elif place > last + 2 or word.text not in (_IN_NAMES | _IN_LISTS if dated else _IN_NAMES):
            break
    return last


def _numbers(words: Sequence[_Word]) -> list[tuple[int, int]]:
    return [
        (place, place) for place, word in enumerate(words) if word.text.strip("$")[0:1].isdigit()
    ]


def _phrases(words: Sequence[_Word]) -> list[tuple[int, int]]:
    """A few plain words between words that begin a phrase and ones that end it."""
    found = []
    for place, word in enumerate(words[1:], start=1):
        if not word.plain or words[place - 1].text.lower() not in _BEFORE_PHRASES:
            continue
        last = place
        while last + 1 < len(words) and words[last + 1].plain:
            last += 1
        if last - place < _LONGEST:
            found.append((place, last))
    return found


def _question(words: Sequence[_Word], first: int, last: int, dice: random.Random) -> str:
    """A question word and what is left of the sentence, some of it dropped or in another order."""
    many = dice.randint(_FEWEST, _MOST)
    before = _thinned(words[max(0, first - many) : first], dice)
    after = _thinned(words[last + 1 : last + 1 + many], dice)
    while len(before) + len(after) > many:  # the further away, the less it is asked with
        (before if len(before) > len(after) else after).pop(0 if len(before) > len(after) else -1)
    if len(before) + len(after) < _FEWEST:
        return ""
    asking = _asking(words, first, last, dice)
    order = dice.random()
    if order < 0.55:
        parts = [asking, *before, *after]
    elif order < 0.85:
        parts = [asking, *after, *before]
    else:
        parts = [*before, asking, *after]
    return " ".join(parts) + "?"


def _thinned(words: Sequence[_Word], dice: random.Random) -> list[str]:
    kept = []
    for word in words:
        dropped = 0.35 if word.text.lower() in _FUNCTION else 0.15
        if not word.mark and dice.random() >= dropped:
            kept.append(word.text)
    return kept


def _asking(words: Sequence[_Word], first: int, last: int, dice: random.Random) -> str:
    """The word that asks for what stands there."""
    answer, before = words[first].text, words[first - 1].text.lower() if first else ""
    if _YEAR.fullmatch(answer) or _MONTH.match(answer):
        return dice.choice(("when", "when", "what year", "in what year", "what date"))
    if answer.strip("$")[0].isdigit():
        if answer.endswith("%") or answer.startswith("$"):
            return dice.choice(("how much", "what percentage" if "%" in answer else "how much"))
        return dice.choice(("how many", "how many", "what number", "what"))
    if answer[0].isupper():
        if before in _PLACED:
            return dice.choice(("where", "what", "which", "in what"))
        return dice.choice(("who", "who", "what", "which", "whose", "what is the name of"))
    return dice.choice(("what", "what", "what", "which", "what type of", "how", "why"))
