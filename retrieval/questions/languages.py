"""Which languages a question may be in: by its alphabet, its function words and its accents.

A question is too short for a classifier of documents, but it can be searched in several languages
at once, so this names all that it may be in instead of deciding. It never costs an English question
anything: without a reason to think of another language there is only English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from retrieval.stop_words import FUNCTION_WORDS, QUESTION_WORDS
from retrieval.words import ENGLISH

_WORD = re.compile(r"[^\W\d_]+")
_ALPHABETS = (
    (re.compile(r"[\u0400-\u04ff]"), "ru"),
    (re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"), "el"),
    (re.compile(r"[\u0530-\u058f]"), "hy"),
    (re.compile(r"[\u0600-\u06ff]"), "ar"),
)
_ACCENTS = """
    ß:de ñ:es ¿:es ¡:es ã:pt õ:pt ø:da,no å:sv,da,no æ:da,no ä:de,sv,fi ö:de,sv,fi ü:de ł:pl
    ś:pl ż:pl ę:pl ą:pl œ:fr ê:fr,pt è:fr,it à:fr,it,pt ò:it ù:fr,it ç:fr,pt é:fr,es,pt á:es,pt
    í:es,pt ó:es,pt,pl ú:es,pt ô:fr,pt î:fr
"""
_LETTERS: Mapping[str, Sequence[str]] = {pair[0]: pair[2:].split(",") for pair in _ACCENTS.split()}
"""Letters of a name prove nothing, so they only count where function words do not decide."""
_SPEAKS: Mapping[str, Sequence[str]] = {
    word: [n for n in QUESTION_WORDS if word in FUNCTION_WORDS[n] or word in QUESTION_WORDS[n]]
    for lists in (FUNCTION_WORDS, QUESTION_WORDS)
    for words in lists.values()
    for word in words
}
"""By function word, the languages that have it."""
_ENOUGH = 2
"""So many signs of a language: a single one (`bin`, `sin`, `go`) may be a word of another."""
_MOST = 3


def languages(question: str, held: Sequence[str] = ()) -> tuple[str, ...]:
    """The likeliest first; English is always among them, since names and terms are often English.

    `held` are the languages of the documents: what tells nothing of itself may be in any of them.
    """
    if not question.isascii() and (written := _alphabet(question)):
        return (written, ENGLISH)
    signs: Counter[str] = Counter()
    for word in {word.lower() for word in _WORD.findall(question)}:
        signs.update(_SPEAKS.get(word, ()))
    english = signs[ENGLISH]
    if not question.isascii():
        signs.update({n for c in question.lower() for n in _LETTERS.get(c, ())})
    most = max(signs.values(), default=0)
    if english and (english == most or most < _ENOUGH):
        return (ENGLISH,)
    if most >= _ENOUGH or (most and not question.isascii()):
        likely = [language for language, many in signs.items() if many == most]
        return tuple(dict.fromkeys((*sorted(likely)[:_MOST], ENGLISH)))
    return tuple(dict.fromkeys((ENGLISH, *held)))


def _alphabet(question: str) -> str | None:
    """The language that most of its letters are of; a formula's `α` does not make it Greek."""
    letters = sum(map(str.isalpha, question))
    for alphabet, language in _ALPHABETS:
        if 2 * len(alphabet.findall(question)) > letters:
            return language
    return None
