"""Text to search terms: the one tokenizer of documents and questions, for prose and identifiers.

It knows nothing of weights or indexes. A word's endings are cut by the rules of the language that
it is told, English where it is told none; identifiers are the same in all. Runs without spaces
(Chinese, Japanese, Thai) become overlapping pairs of characters.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

import snowballstemmer  # type: ignore[import-untyped]

from retrieval.stop_words import FUNCTION_WORDS, QUESTION_WORDS

_RAW = re.compile(
    r"§+\s?\d{1,9}[a-z]?(?:\(\w{1,9}\))*"  # § 12(3)
    r"|\d{1,3}(?:,\d{3}){1,6}(?!\d|,\d{3})(?:\.\d{1,12}(?!\d))?"  # 1,000.50
    r"|(?<!\w)[A-Za-z](?:\+\+|\#)(?!\w)"  # C++, C#
    r"|\w{1,64}(?:[-‑._'’/&@:]\w{1,64}){0,15}"  # words, and what is written together
)
_JOINTS = re.compile(r"[-._/&@:]")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_INITIALS = re.compile(r"[A-Za-z](?:\.[A-Za-z])+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_LONGEST = 64
_TELLING = 4
"""Letters. Of shorter words nearly every other is a word, too."""

_ACRONYMS = frozenset({"IT", "US", "WHO"})
"""Written in capitals these are names, not the words they spell."""

ENGLISH = "en"
_SNOWBALL = """
    ar:arabic ca:catalan cs:czech da:danish de:german el:greek en:english es:spanish et:estonian
    eu:basque fa:persian fi:finnish fr:french ga:irish hu:hungarian hy:armenian id:indonesian
    it:italian lt:lithuanian nl:dutch no:norwegian nb:norwegian nn:norwegian pl:polish
    pt:portuguese ro:romanian ru:russian sr:serbian sv:swedish tr:turkish yi:yiddish
"""
_STEMMERS: Mapping[str, str] = dict(pair.split(":") for pair in _SNOWBALL.split())
"""Snowball's algorithm for a language; what is in none of these keeps its endings."""
_NOTHING: frozenset[str] = frozenset()
_PROSE_JOINTS = re.compile(r"[-‑'’/]")

_stemming = threading.Lock()  # A stemmer keeps its word in itself.


def terms(text: str, language: str = ENGLISH) -> list[str]:
    """The terms under which a document is found, repeated as often as they occur."""
    return _all(_RAW.findall(text), language)


def query_terms(text: str, languages: Sequence[str] = (ENGLISH,)) -> list[str]:
    """The terms that a question looks for, among documents of any of these languages.

    The first language is the question's own. Its question words count only where it has no others.
    """
    raw = _RAW.findall(text)
    if len(languages) == 1:
        return _all(_about(raw, languages[0]), languages[0]) or _all(raw, languages[0])
    own, *others = languages
    about = _about(raw, own)
    # In German `die` is an article, and must not find what is said in English of dying.
    subject = [word for word in about if word.lower() not in FUNCTION_WORDS.get(own, _NOTHING)]
    read = [_all(about, own), *(_all(_about(subject, other), other) for other in others)]
    return _merged(read) or _merged(_all(raw, language) for language in languages)


def written(text: str) -> list[str]:
    """The words as they stand there; an identifier is one."""
    return _RAW.findall(text)


def length(text: str) -> int:
    """How many words are written there; in a run without spaces its pairs are counted."""
    return sum(len(_pairs(word)) if _UNSPACED.search(word) else 1 for word in written(text))


def terms_of(word: str, language: str = ENGLISH) -> tuple[str, ...]:
    """The terms of one written word."""
    return _expanded(word, language)


@lru_cache(maxsize=1 << 16)
def spelt(raw: str) -> tuple[str, ...]:
    """The words in a written one that may be misspelt: small, without accents, long enough to tell.

    Nothing of an identifier: with another digit or sign it is another one."""
    parts = _PROSE_JOINTS.split(raw)
    if _UNSPACED.search(raw) or any(
        part and (not part.isalpha() or _camel(part)) for part in parts
    ):
        return ()
    words = (bare(part).lower() for part in parts)
    return tuple(word for word in words if len(word) >= _TELLING)


def _about(raw: Sequence[str], language: str) -> list[str]:
    """Without the words that only ask."""
    asking = QUESTION_WORDS.get(language, _NOTHING)
    return [word for word in raw if word in _ACRONYMS or word.lower() not in asking]


def _merged(read: Iterable[Sequence[str]]) -> list[str]:
    """Each term as often as where it is most frequent."""
    merged: Counter[str] = Counter()
    for found in read:
        merged |= Counter(found)
    return list(merged.elements())


def _all(raw: Sequence[str], language: str) -> list[str]:
    return list(chain.from_iterable(map(_expanded, raw, repeat(language))))


@lru_cache(maxsize=1 << 16)
def _expanded(raw: str, language: str) -> tuple[str, ...]:
    """What one written word stands for: itself, and its parts where it is an identifier."""
    if raw in _ACRONYMS:
        return (raw.lower(),)
    if raw[0] == "§":
        return _paragraph(raw)
    if language != ENGLISH and _is_prose(raw):
        return _prose(raw, language)
    plain = _folded(raw)
    if plain.isalpha() and plain.isascii() and not _camel(plain):
        return _word(plain.lower())
    if _NUMBER.fullmatch(plain := plain.replace(",", "")):
        return (plain.removesuffix(".00"),)
    if _INITIALS.fullmatch(plain):
        return _word(plain.replace(".", "").lower(), keep=plain.isupper())
    return _compound(plain)


def _is_prose(raw: str) -> bool:
    """Whether it is words, not a name that somebody made up: `GmbH`, `a_b` and `x.y` are such."""
    parts = _PROSE_JOINTS.split(raw)
    written = all(part.isalpha() and not _camel(part) for part in parts)
    return written and not _UNSPACED.search(raw)


def _prose(raw: str, language: str) -> tuple[str, ...]:
    """The stems of its parts (`l'assurance`, `deutsch-französisch`), without accents.

    Accents go last: the rules need them, and who asks may leave them out."""
    stopped = FUNCTION_WORDS.get(language, _NOTHING)
    parts = [part.lower() for part in _PROSE_JOINTS.split(raw) if part]
    return tuple(bare(_stem(part, language)) for part in parts if part not in stopped)


def _folded(raw: str) -> str:
    """Without accents, possessives and typographic variants."""
    if not raw.isascii():
        raw = bare(raw.replace("‑", "-").replace("’", "'"))
    if "'" in raw:
        raw = re.sub(r"'s$", "", raw, flags=re.IGNORECASE).replace("'", "")
    return raw


def bare(word: str) -> str:
    """Without accents and typographic variants."""
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _stem(word: str, language: str) -> str:
    if language not in _STEMMERS:
        return word
    with _stemming:
        stem: str = _stemmer(language).stemWord(word)
    return stem


@lru_cache
def _stemmer(language: str) -> Any:
    return snowballstemmer.stemmer(_STEMMERS[language])


def _camel(word: str) -> bool:
    return not (word.islower() or word.isupper() or word[1:].islower())


def _word(word: str, keep: bool = False) -> tuple[str, ...]:
    if word in FUNCTION_WORDS[ENGLISH] and not keep:
        return ()
    return (_stem(word, ENGLISH),)


def _compound(plain: str) -> tuple[str, ...]:
    """An identifier is found whole and by its parts; `long-term` is just two words."""
    parts: dict[str, None] = {}
    written = [part for part in _JOINTS.split(plain) if part]
    for part in written:
        parts.update(dict.fromkeys(_part(part)))
    identifier = len(written) == 1 or "_" in plain or "@" in plain or re.search(r"\d|\.", plain)
    whole = plain.lower()
    if len(written) == 2 and len(written[0]) == 1 and plain.isascii() and not identifier:
        parts.update(dict.fromkeys(_word("".join(written).lower())))  # e-mail is email
    if not identifier or len(whole) > _LONGEST or _UNSPACED.search(whole):
        return tuple(parts)
    if len(written) == 1 and whole.isalpha():
        return tuple(dict.fromkeys((*_word(whole), *parts)))
    return tuple(dict.fromkeys((whole, *parts)))


def _part(part: str) -> tuple[str, ...]:
    """One part of a compound, and its own pieces: `camelCase`, `4021B`."""
    if _UNSPACED.search(part):
        return _pairs(part)
    if not part.isascii():
        return (part.lower(),)
    pieces = [p for p in _PIECES.findall(part) if len(p) > 1 or p.isdigit()]
    whole = _word(part.lower())
    if len(pieces) < 2 and whole and part.isalpha():
        return whole
    return (*whole, *chain.from_iterable(_word(piece.lower()) for piece in pieces))


def _pairs(run: str) -> tuple[str, ...]:
    return (run,) if len(run) < 3 else tuple(run[i : i + 2] for i in range(len(run) - 1))


def _paragraph(raw: str) -> tuple[str, ...]:
    """`§ 12(3)`: whole, the section, and the bare number as a question may put it."""
    whole = "§" + re.sub(r"[§\s]", "", raw).lower()
    section = whole.partition("(")[0]
    return tuple(dict.fromkeys((whole, section, section[1:])))
