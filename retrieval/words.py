"""Text to search terms: the one tokenizer of documents and questions, for prose and identifiers.

It knows nothing of weights, indexes or languages other than English, whose endings it cuts; words
of other alphabets are kept as they stand, and runs without spaces (Chinese, Japanese, Thai)
become overlapping pairs of characters.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from itertools import chain

import snowballstemmer  # type: ignore[import-untyped]

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

_ACRONYMS = frozenset({"IT", "US", "WHO"})
"""Written in capitals these are names, not the words they spell."""

_QUESTION_WORDS = "who whom whose what which when where why how many much"
_ASKING = frozenset(_QUESTION_WORDS.split())
"""They say what kind of answer is wanted, not what it is about."""

_STOP_WORDS = """
    a about above after again against all also am an and any are arent as at be because been
    before being below between both but by can cannot cant could couldnt d did didnt do does doesnt
    doing dont down during each eg etc few for from further had hadnt has hasnt have havent having
    he her here hers herself him himself his i ie if im in into is isnt it its itself ive just ll m
    me more most must my myself no nor not now of off on once only or other our ours ourselves out
    over own re s same shall she should shouldnt so some such t than that thats the their theirs
    them themselves then there these they theyre this those through to too under until up ve very
    was wasnt we were werent while will with wont would wouldnt you your youre yours yourself
    yourselves
"""
_STOPPED = frozenset(_STOP_WORDS.split())

_stemmer = snowballstemmer.stemmer("english")
_stemming = threading.Lock()  # The stemmer keeps its word in itself.


def terms(text: str) -> list[str]:
    """The terms under which a document is found, repeated as often as they occur."""
    return list(chain.from_iterable(map(_expanded, _RAW.findall(text))))


def query_terms(text: str) -> list[str]:
    """The terms that a question looks for; its question words count only where it has no others."""
    raw = _RAW.findall(text)
    asked = [r for r in raw if r in _ACRONYMS or r.lower() not in _ASKING]
    found = list(chain.from_iterable(map(_expanded, asked)))
    return found or list(chain.from_iterable(map(_expanded, raw)))


@lru_cache(maxsize=1 << 16)
def _expanded(raw: str) -> tuple[str, ...]:
    """What one written word stands for: itself, and its parts where it is an identifier."""
    if raw in _ACRONYMS:
        return (raw.lower(),)
    if raw[0] == "§":
        return _paragraph(raw)
    plain = _folded(raw)
    if plain.isalpha() and plain.isascii() and not _camel(plain):
        return _word(plain.lower())
    if _NUMBER.fullmatch(plain := plain.replace(",", "")):
        return (plain.removesuffix(".00"),)
    if _INITIALS.fullmatch(plain):
        return _word(plain.replace(".", "").lower(), keep=plain.isupper())
    return _compound(plain)


def _folded(raw: str) -> str:
    """Without accents, possessives and typographic variants."""
    if not raw.isascii():
        spread = unicodedata.normalize("NFKD", raw.replace("‑", "-").replace("’", "'"))
        raw = "".join(c for c in spread if not unicodedata.combining(c))
    if "'" in raw:
        raw = re.sub(r"'s$", "", raw, flags=re.IGNORECASE).replace("'", "")
    return raw


def _camel(word: str) -> bool:
    return not (word.islower() or word.isupper() or word[1:].islower())


def _word(word: str, keep: bool = False) -> tuple[str, ...]:
    if word in _STOPPED and not keep:
        return ()
    with _stemming:
        return (_stemmer.stemWord(word),)


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
