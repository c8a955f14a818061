"""A question's words that no document has, and those that are meant by them: decisions, no I/O.

A word is only ever looked for beside what was written, and counts less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from retrieval.sparse import term_id
from retrieval.stop_words import FUNCTION_WORDS, QUESTION_WORDS
from retrieval.types import Hit
from retrieval.words import bare, spelt, terms_of, written

if TYPE_CHECKING:  # numpy, which importing a gateway does not wait for
    from retrieval.spelling.lexicon import Lexicon, Near

_LONG = 8
"""Letters from which a word may be two edits away; a shorter one is then too often another word."""
_WEIGHTS = {1: 0.9, 2: 0.8}
"""What a term counts beside one that was written as the documents have it, by edits. On validation
questions the least of what was tried (0.5 to 1) found least, and none did harm."""
_MOST = 4
"""Words of a question that are corrected: one with more is in no language that documents are in."""
_SAID = frozenset().union(*FUNCTION_WORDS.values(), *QUESTION_WORDS.values())


@dataclass(frozen=True, slots=True)
class Correction:
    """A word that was written, one that documents have, and what it counts in a search."""

    written: str
    meant: str
    weight: float

    def terms(self, languages: Iterable[str]) -> set[str]:
        """Under which documents of these languages are found by it."""
        return {term for one in languages for term in terms_of(self.meant, one)}

    def __str__(self) -> str:
        return f"{self.written} → {self.meant} (×{self.weight:g})"


def unknown(question: str, languages: Sequence[str], words: Sequence[Lexicon]) -> list[str]:
    """The words that none of the documents has, in no form."""
    missing = dict.fromkeys(
        word
        for raw in written(question)
        for word in spelt(raw)
        if word not in _SAID and not _known(word, languages, words)
    )
    return list(missing) if len(missing) <= _MOST else []


def corrections(missing: Iterable[str], words: Sequence[Lexicon]) -> list[Correction]:
    """For each the word that is nearest; of those as near the one that most passages have."""
    found = []
    for word in missing:
        edits = 2 if len(word) >= _LONG else 1
        near = [one for lexicon in words for one in lexicon.near(word, edits)]
        if near and (best := min(near, key=partial(_rank, word))).word not in _SAID:
            found.append(Correction(word, best.word, _WEIGHTS[best.edits]))
    return found


def weights(found: Iterable[Correction], languages: Sequence[str]) -> Mapping[str, float]:
    """What is looked for beside the question's own terms."""
    return {term: one.weight for one in found for term in one.terms(languages)}


def borne_out(found: Iterable[Correction], hits: Sequence[Hit]) -> list[Correction]:
    """Those that a passage bears which was found: nobody is told a word that he may not read."""
    return [one for one in found if any(_bears(hit.passage.embedded, one.meant) for hit in hits)]


def _bears(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", bare(text).lower()) is not None


def _known(word: str, languages: Iterable[str], words: Sequence[Lexicon]) -> bool:
    """As it stands, or in another form."""
    as_written = term_id(word)
    if any(lexicon.knows(as_written) for lexicon in words):
        return True
    stems = {term_id(term) for language in languages for term in terms_of(word, language)}
    return any(lexicon.knows(stem) for lexicon in words for stem in stems)


def _rank(word: str, near: Near) -> tuple[int, bool, int, str]:
    """Nearest first. Few err in a word's first letter."""
    return near.edits, near.word[0] != word[0], -near.count, near.word
