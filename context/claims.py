"""Which sentences of an answer state something that a source has to back.

Form alone, and English alone where words decide: what it does not recognise counts as a claim.
"""

from __future__ import annotations

import re

from context.types import NOT_IN_DOCUMENTS
from retrieval.words import terms

_LEAD = re.compile(r"\s*(?:(?:[-*+•–—]|\(?(?:\d{1,3}|[A-Za-z])[.)])\s+)?(?:>\s*)?")
_LABEL = re.compile(r"(?:\*\*|__)[^*_]{1,120}(?:\*\*|__)")
_INTERJECTION = re.compile(
    r"(?:(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks|thank you|sure|of course|"
    r"certainly|absolutely|yes|no|okay|ok|great question|good question|well)\b(?: there| so much)?"
    r"[\s,.!:;–—-]*)+",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:you'?re welcome|let me|i hope|feel free|(?:i'?m |i am )?(?:happy|glad) to|please let|"
    r"here (?:is|are)|here's|is there anything|sorry|i'?m sorry|i am sorry|apologies|"
    r"i apologi[sz]e|"
    r"if you (?:have|need|would like|want) (?:any|more|further|other|additional|help|me|to know)"
    r")\b",
    re.IGNORECASE,
)
_SOURCES = (
    r"(?:documents?|documentation|sources?|handbook|context|texts?|passages?|materials?|excerpts?|"
    r"information (?:provided|given|available)|policy|policies|manual)"
)
_SILENT = re.compile(
    rf"\b{_SOURCES}\b[^.]{{0,60}}?\b(?:do|does|did|is|are)(?: not|n['’]t)\b[^.]{{0,20}}?\b(?:say|"
    r"mention|answer|contain|specif|state|provide|cover|address|give|include|describe|tell|discuss|"
    r"define|explain|list|clear)"
    rf"|\b(?:not|n['’]t|no|nothing|nowhere)\b[^.]{{0,60}}?\b(?:in|by|from)\b[^.]{{0,20}}?\b{_SOURCES}\b"
    r"|\b(?:i|we)\b (?:can|could|do|did|was|were|am|are)(?:not| not|n['’]t)\b"
    r"|\b(?:no|there is no|there's no) (?:information|mention|source|answer|evidence)\b",
    re.IGNORECASE,
)
_FEW_WORDS = 3


def is_claim(sentence: str) -> bool:
    """Whether a sentence, free of markers, states a fact."""
    text = sentence[_lead(sentence) :].strip()
    bare = text.strip("*_ \"'“”‘’")
    if not bare or bare[-1] in ":?" or text.rstrip("*_ ")[-1:] in ":?" or _LABEL.fullmatch(text):
        return False
    if is_abstention(text):
        return False
    interjection = _INTERJECTION.match(bare)
    said = bare[interjection.end() :] if interjection else bare
    figures = any(c.isdigit() for c in said)
    if not figures and (len(said.split()) < _FEW_WORDS or _POLITE.match(said)):
        return False
    return bool(terms(said))


def is_abstention(sentence: str) -> bool:
    """Whether a sentence says that the sources do not say."""
    return NOT_IN_DOCUMENTS.rstrip(".") in sentence or _SILENT.search(sentence) is not None


def _lead(sentence: str) -> int:
    match = _LEAD.match(sentence)
    return match.end() if match else 0
