"""What a question asks: its weighted terms, its codes and numbers, the kind of answer it wants.

It reads the question alone. Which terms matter comes from the lexicon, not from any corpus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from retrieval.support.lexicon import Lexicon
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
_CODE = re.compile(r"(?<![\w/.-])(?=[\w./-]*\d)\w+(?:[-./]\w+)*")
_QUANTITY = re.compile(r"[\d./-]+(?:st|nd|rd|th|s|am|pm|[kmcg]?[mgblwv]|k|kn|kwh|w?h)?")
_ALIASES = (
    (re.compile(r"\bUnited States(?: of America)?\b|\bUSA\b|\bU\.S\.(?:A\.)?(?!\w)"), "US"),
    (re.compile(r"\bUnited Kingdom\b|\bU\.K\.(?!\w)|\bGreat Britain\b"), "UK"),
    (re.compile(r"\bEuropean Union\b|\bE\.U\.(?!\w)"), "EU"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, read."""

    terms: tuple[str, ...]  # each once, in order
    weights: Mapping[str, float]
    total: float  # of all weights
    pairs: frozenset[tuple[str, str]]  # terms that stand side by side
    kind: Kind
    focus: str | None  # the term after "which": what the answer is one of
    words: frozenset[str]  # as written, in lower case
    codes: frozenset[str]  # with letters and digits: E-417
    numbers: frozenset[str]  # with digits alone


def asked(question: str, lexicon: Lexicon) -> Asked:
    """Read a question."""
    found = query_terms(canonical(question))
    distinct = tuple(dict.fromkeys(found))
    weights = {term: lexicon.weight(term) for term in distinct}
    low = question.lower()
    figures = figures_in(question)
    codes = frozenset(figure for figure in figures if not _QUANTITY.fullmatch(figure))
    return Asked(
        terms=distinct,
        weights=weights,
        total=sum(weights.values()) or 1.0,
        pairs=frozenset(pairwise(found)),
        kind=_kind(low),
        focus=_focus(low),
        words=frozenset(re.findall(r"\w+", low)),
        codes=codes,
        numbers=figures - codes,
    )


def canonical(text: str) -> str:
    """With one name for what has several."""
    for pattern, name in _ALIASES:
        text = pattern.sub(name, text)
    return text


def figures_in(text: str) -> frozenset[str]:
    """Everything written with a digit, codes and numbers alike, in lower case."""
    return frozenset(found.lower() for found in _CODE.findall(text))


def shape(code: str) -> str:
    """What a code looks like: codes of one series have one shape."""
    return re.sub(r"[a-z]+", "a", re.sub(r"\d", "9", code))


def _kind(low: str) -> Kind:
    return next((kind for kind, pattern in _KINDS if pattern.search(low)), "other")


def _focus(low: str) -> str | None:
    match = _FOCUS.search(low)
    found = terms(match[1]) if match else []
    return found[0] if found else None
