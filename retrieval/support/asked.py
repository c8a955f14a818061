"""What a question asks: its weighted terms, its codes and numbers, the kind of answer it wants.

It reads the question alone. Which terms matter comes from the lexicon, not from any corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from retrieval.support.lexicon import Lexicon
from retrieval.support.opposites import denies
from retrieval.words import query_terms, terms

Kind: TypeAlias = Literal[
    "number", "percent", "money", "measure", "when", "who", "where", "why", "how", "naming", "other"
]

_WHICH = r"(?:what|which) "
_CUES: tuple[tuple[Kind, str], ...] = (
    ("number", rf"how many|{_WHICH}(?:was the |is the )?(?:\w+ )?number|population"),
    ("percent", r"percent\w*|proportion|fraction|what share|(?:what|large a) discount"),
    (
        "money",
        r"how much .{0,80}\b(?:pa[iy]d?|worth|spen[dt]|earn|charge|money)|prices?|costs?|fees?|"
        r"salary|budget|allowance",
    ),
    (
        "measure",
        r"how (?:long|old|far|tall|high|deep|fast|heavy|big|large|wide|often|soon|late|early|"
        r"quickly|hot|cold|much|frequently)",
    ),
    ("when", rf"when|{_WHICH}(?:\w+ )?(?:year|date|day|month|century|decade|time|era|period)"),
    (
        "who",
        rf"who|whom|whose|{_WHICH}(?:\w+ )?(?:person|people|man|woman|king|queen|emperor|"
        r"president|scientist|author|actor|singer|player|leader|general|architect|artist)",
    ),
    (
        "where",
        rf"where|{_WHICH}(?:\w+ ){{0,2}}(?:city|country|state|place|location|region|area|town|"
        r"continent|county|river|island|province|district|street|building|nation|territory|"
        r"countries|cities)",
    ),
    ("why", r"why|what (?:\w+ )?(?:reasons?|causes?|caused|purpose)|what led"),
    ("how", r"how"),
    (
        "naming",
        r"name|term|called|known as|mean|title|nickname|refer|definition|word|stand for|"
        r"what (?:is|are|was|were) (?:an? |the )?\w+(?: \w+)?\s*\?",
    ),
)
_KINDS = tuple((kind, re.compile(rf"\b(?:{pattern})(?!\w)")) for kind, pattern in _CUES)

_FOCUS = re.compile(
    r"\b(?:what|which|whose|how many)\s+(?:(?:kinds?|types?|sorts?|form|name) of\s+)?"
    r"(?:(?:is|was|are|were|did|does|do)\s+)?(?:the\s+)?"
    r"(?:(?:kinds?|types?|sorts?|form|name)\s+of\s+)?(?:the |an? )?([a-z]\w+)"
)
_MODEL = re.compile(r"\b([A-Z][A-Za-z]{2,})[ -](\d{1,4}[A-Za-z]?)\b")
_NO_MODELS = frozenset(
    (
        *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
        *("october", "november", "december", "name", "list", "give", "tell", "state"),
    )
)
_CAPITAL = re.compile(r"(?<!^)(?<![.?!:] )\b[A-Z][\w'’-]*")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_CODE = re.compile(r"(?<![\w/.-])(?=[\w./-]*\d)\w+(?:[-./]\w+)*")
_QUANTITY = re.compile(r"[\d./-]+(?:st|nd|rd|th|s|am|pm|[kmcg]?[mgblwv]|k|kn|kwh|w?h)?")
_MOST_TERMS, _MOST_CODES = 64, 16
"""A longer question is a text; its rarest words say what it is about."""
_ALIASES = (
    (re.compile(r"\bUnited States(?: of America)?\b|\bUSA\b|\bU\.S\.(?:A\.)?(?!\w)"), "US"),
    (re.compile(r"\bUnited Kingdom\b|\bU\.K\.(?!\w)|\bGreat Britain\b"), "UK"),
    (re.compile(r"\bEuropean Union\b|\bE\.U\.(?!\w)"), "EU"),
)
_RANGE = re.compile(
    r"(?<![\w./-])([A-Za-z][\w./-]{0,20}?)(\d{1,9}) ?(?:to|–|—|through|until) ?"
    r"\1(\d{1,9})(?![\w/-])"
)

Range: TypeAlias = tuple[str, int, int]
"""Codes of one name, from the first number to the last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, read."""

    terms: tuple[str, ...]  # each once, in order
    weights: Mapping[str, float]
    total: float  # of all weights
    pairs: frozenset[tuple[str, str]]  # terms that stand side by side
    kind: Kind
    focus: str | None  # the term after "which": what the answer is one of
    names: frozenset[str]  # terms written with a capital, the first word's apart
    words: frozenset[str]  # as written, in lower case
    denies: bool  # it asks for what is not
    codes: frozenset[str]  # with letters and digits: e417, and named ones: ballast 500
    numbers: frozenset[str]  # with digits alone


def asked(question: str, lexicon: Lexicon) -> Asked:
    """Read a question."""
    found = query_terms(canonical(question))
    weighed = {term: lexicon.weight(term) for term in dict.fromkeys(found)}
    heaviest = set(sorted(weighed, key=lambda term: -weighed[term])[:_MOST_TERMS])
    weights = {term: weight for term, weight in weighed.items() if term in heaviest}
    distinct = tuple(weights)
    low = question.lower()
    figures = figures_in(question)
    codes = frozenset(figure for figure in figures if not _QUANTITY.fullmatch(figure))
    counted = {number for code in codes for _, space, number in [code.partition(" ")] if space}
    return Asked(
        terms=distinct,
        weights=weights,
        total=sum(weights.values()) or 1.0,
        pairs=frozenset(pair for pair in pairwise(found) if weights.keys() >= {*pair}),
        kind=_kind(low),
        focus=_focus(low),
        names=_names(question).intersection(distinct),
        words=frozenset(re.findall(r"\w+", low)),
        denies=denies(question),
        codes=frozenset(sorted(codes)[:_MOST_CODES]),
        numbers=figures - codes - counted,
    )


def canonical(text: str) -> str:
    """With one name for what has several."""
    for pattern, name in _ALIASES:
        text = pattern.sub(name, text)
    return text


def figures_in(text: str) -> frozenset[str]:
    """Everything written with a digit: 500, e417 for E-417, and with its name, ballast 500."""
    return frozenset((*map(_plain, _CODE.findall(text)), *_models(text)))


def ranges_in(text: str) -> tuple[Range, ...]:
    """`G5 to G7`: every code between them is meant."""
    found = _RANGE.findall(text)
    return tuple((re.sub(r"[-./]", "", a.lower()), int(low), int(high)) for a, low, high in found)


def within(code: str, ranges: Iterable[Range]) -> bool:
    """Whether a code lies in one of the ranges."""
    return any(
        low <= int(number) <= high
        for name, low, high in ranges
        if code.startswith(name) and (number := code[len(name) :]).isdecimal()
    )


def series(code: str) -> str:
    """What the codes of one series have in common."""
    name, space, _ = code.partition(" ")
    return name if space else re.sub(r"[a-z]+", "a", re.sub(r"\d", "9", code))


def _plain(figure: str) -> str:
    low = figure.lower()
    return re.sub(r"[-./]", "", low) if low[0].isalpha() or low[-1].isalpha() else low


def _models(text: str) -> Iterator[str]:
    """`Ballast 500`: a number that a name goes before, unless it is a date."""
    for name, number in _MODEL.findall(text):
        stem = terms(name.lower())
        if stem and name.lower() not in _NO_MODELS and not _YEAR.fullmatch(number):
            yield f"{stem[0]} {number.lower()}"


def _names(question: str) -> frozenset[str]:
    return frozenset(terms(canonical(" ".join(_CAPITAL.findall(question)))))


def _kind(low: str) -> Kind:
    return next((kind for kind, pattern in _KINDS if pattern.search(low)), "other")


def _focus(low: str) -> str | None:
    match = _FOCUS.search(low)
    found = terms(match[1]) if match else []
    return found[0] if found else None


def clauses(question: str) -> list[str]:
    """The questions that one question joins, each with the names that all are about."""
    parts = [part.strip(" ,;") for part in _JOINT.split(question)]
    if len(parts) == 1 or any(len(query_terms(part)) < 2 for part in parts):
        return [question]
    first, *rest = parts
    names = " ".join(dict.fromkeys(_NAMES.findall(first)))
    return [first, *(f"{part} ({names})" if _MEANS_IT.search(part) else part for part in rest)]


_JOINT = re.compile(
    r",?\s+and(?: then)?\s+(?=(?:by |for |at |in |on |to )?"
    r"(?:what|which|who|whom|whose|when|where|why|how)\b)",
    re.IGNORECASE,
)
_NAMES = re.compile(r"(?<!^)(?<![.?!] )\b(?:[A-Z][\w-]*|\w*\d[\w-]*)")
_MEANS_IT = re.compile(r"\b(?:its?|that|this|they|them|their|those|these|one|there)\b")
