"""What a document carries for the model that will read it, and not for its reader.

Looked for once, when the document is ingested: the labels are stored with its passages, and a
request reads them there. An instruction that looks like an honest sentence is not found by its
words (BIPIA's benign tasks); against these the prompt's fences have to hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from guardrails.injection import instructing_spans, signs
from retrieval import lookalikes
from retrieval.types import Document, Passage

VERSION = 1
"""Rises when more is found: what was scanned by an older version is scanned again."""

ADDRESSES_MODEL = "addresses_model"
HIDDEN = "hidden_instructions"
HOMOGLYPHS = "homoglyphs"
EXFILTRATION = "exfiltration"

_FOREIGN = re.compile("[\u0370-\u052f]")

_SECRETS = (
    r"(?:(?:the|this|your|our|their|all|any|every|whole|entire|full|user'?s?'?|previous|prior|past|"
    r"above|earlier|current|of) ){0,4}"
    r"(?:conversations?|chat(?: history| log)?|dialogue|(?:system |initial )?prompts?|instructions|"
    r"messages?|questions?|quer(?:y|ies)|context|memory|session|secrets?|credentials?|passwords?|"
    r"api keys?|tokens?|cookies?|personal (?:data|information|details)|"
    r"(?:everything|anything|all|what) (?:above|so far|the user (?:said|asked|wrote|typed)))\b"
)
_LEAK = re.compile(
    r"^\W{0,3}(?:(?:please|also|and|then|now|first|finally|always|you must|you should|make sure to|"
    r"be sure to|silently|secretly)\W{1,3}){0,4}"
    r"(?:append|add|attach|include|embed|encode|put|place|insert|concatenate|send|post|forward|"
    r"transmit|upload|leak|exfiltrate|submit|copy|pass)\W{1,3}"
    rf"(?:\w{{1,16}}\W{{1,3}}){{0,2}}?{_SECRETS}.{{0,160}}?"
    r"(?:https?://|\bwww\.|\bur[li]s?\b|\bquery string\b|\bwebhook|\bmarkdown (?:image|link)|"
    r"\bimage (?:link|source|tag)|\b[\w.+-]{1,64}@[\w-]{1,64}\.)"
)
_CARRIER = re.compile(
    r"(?:https?:)?//[^\s<>\"')\]]{1,200}[?&/=#]"
    r"(?:\{\{?|\$\{|\[|<|%7b|%5b){1,2}[ _-]{0,2}"
    r"(?:\w{1,16}[ _-]{1,2}){0,3}?(?:conversation|chat|history|prompt|instructions?|messages?|"
    r"question|query|context|memory|session|secrets?|credentials?|passwords?|api.?keys?|summary|"
    r"answer|response|user.?(?:data|info\w{0,7}|input)|data|info)\b"
)
_DRAWN = re.compile(
    r"\b(?:render|display|show|output|print|respond with|reply with|include|insert|embed|write)\b"
    r".{0,80}?\b(?:markdown|image|link|html)\b"
)


def planted(document: Document, passages: Sequence[Passage]) -> list[tuple[str, ...]]:
    """For each passage the labels of what was found in it, in order of the alphabet; mostly none.

    A document whose hidden text gives orders to models is not to be trusted anywhere, so all of
    its passages say so."""
    everywhere = {HIDDEN} if any(_orders(text) for text in document.hidden) else set()
    return [tuple(sorted(everywhere | _found(passage.text))) for passage in passages]


def _found(text: str) -> set[str]:
    labels = _orders(text)
    if _FOREIGN.search(text) and _orders(text.translate(lookalikes.ALPHABETS)) - labels:
        labels |= {HOMOGLYPHS, ADDRESSES_MODEL}
    if _exfiltrates(text):
        labels.add(EXFILTRATION)
    return labels


def _orders(text: str) -> set[str]:
    """That a model is spoken to, and the families of attack that this shows."""
    spans = instructing_spans(text)
    families = {f.label for start, end in spans for f in signs(text[start:end])}
    return families | {ADDRESSES_MODEL} if spans else set()


def _exfiltrates(text: str) -> bool:
    """Whether it would have a model carry what it knows to an address.

    Either an order to do so, or an address with room for it. `{id}` in the path of an interface is
    none: the room must be named after what only the model's prompt holds."""
    low = text.lower()
    if not any(sign in low for sign in ("//", "url", "@", "webhook", "image", "www.")):
        return False
    if any(_LEAK.search(line) for line in _sentences(low)):
        return True
    return bool(_CARRIER.search(low) and (_DRAWN.search(low) or "![" in low))


def _sentences(text: str) -> Iterable[str]:
    """Roughly: an address holds dots, so a sentence ends with a dot and a blank."""
    return re.split(r"(?<=[.!?:;])\s+|\n+", text)
