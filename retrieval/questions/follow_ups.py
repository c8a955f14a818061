"""Follow-up questions made stand-alone from what was said before: by rules, for English and the
openers and prepositions of a few other languages.

Three things make a question lean on an earlier one: it is a fragment (`and in France?`), it speaks
of something unnamed (`how long does it last?`), or it picks one of several (`how much does the
second cost?`). What stands on its own is not touched. The text is for searching: it must hold the
right words, not read well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.stop_words import FUNCTION_WORDS, QUESTION_WORDS
from retrieval.words import query_terms

_TURNS = 4
"""Earlier turns that are looked at: what was named before that is seldom meant."""
_FEW = 4
"""Most terms of a question that leans on another; one that says more says enough."""
_LONGEST = 300
"""Characters of an earlier question that may come before a later one."""

_OPENER = re.compile(
    r"^(?:(?:ok(?:ay)?|so|well|then|yes|no|thanks|thank you)\b[\s,.!]*)?"
    r"(?:(?:and|or|but|also|plus)\b[\s,]*)?(?:(?:what|how)\s+about|what\s+of|and|or|but|also"
    r"|was\s+ist\s+mit|wie\s+sieht\s+es\s+(?:mit|in)|und|oder|aber|auch"
    r"|et(?:\s+qu'en\s+est-il\s+de)?|ou|mais|aussi|¿?\s*y|o|pero|qué\s+tal|ed?|e\s+per|en|maar)\b[\s,]*",
    re.IGNORECASE,
)
_PREPOSITIONS = (
    "in for on at from with without by during after before under between within to of near "
    "für bei mit ohne von aus nach seit dans en pour avec sans chez para por con sin desde"
)
_PREPOSITIONAL = re.compile(rf"^(?:{'|'.join(_PREPOSITIONS.split())})\b\s+(?=\S)", re.IGNORECASE)
_THING = re.compile(r"\b(?:it|its|this|that|these|those|they|them|their|theirs)\b", re.IGNORECASE)
_PERSON = re.compile(r"\b(?:he|him|his|she|her|hers|they|them|their)\b", re.IGNORECASE)
_PRONOUN = re.compile(f"{_THING.pattern}|{_PERSON.pattern}|\\b(?:there|one|ones)\\b", re.IGNORECASE)
_FILLED = re.compile(
    r"\b(?:it|that|this|there)\s+(?:takes?|took|possible|true|means?|meant|called|considered|said"
    r"|necessary|legal|known|illegal|important|common|safe|rain\w*|snow\w*|(?:is|was|are|were|be|been"
    r"|has been)\b)"
    r"|\b(?:those|these|they|he|one|ones|that)\s+(?:who|whom|whose|which|that)\b"
    r"|\b(?:is|was|does|did|are|were|has|have|will|would|can|could)\s+there\b",
    re.IGNORECASE,
)
"""Where such a word stands for nothing that was said before."""
_ONE_OF = re.compile(
    r"\bthe\s+(?:first|second|third|fourth|fifth|last|latter|former|other|next|same)"
    r"(?:\s+ones?)?(?=\s*(?:[?.!]|$)|\s+(?:is|are|was|were|cost|costs|do|does|last|take|takes|mean"
    r"|means|work|works|apply|applies|need|needs|have|has)\b)",
    re.IGNORECASE,
)
_ASKING = (
    "is are was were am be do does did can could will would shall should may might must has have "
    "had tell me about please explain describe define give show list find long often far old big"
)
_LEADING = frozenset(_ASKING.split()) | frozenset(QUESTION_WORDS["en"])
_CAPITALS = r"[A-Z][\w.-]*\w(?:\s+(?:of\s+|de\s+|von\s+|van\s+)?[A-Z][\w.-]*\w)*"
_NAME = re.compile(rf"(?<![.!?]\s)(?<!^)\b{_CAPITALS}")
_SUBJECT = re.compile(rf"^(?:The\s+)?({_CAPITALS})")
_PHRASE = (
    r"(?:(?:the|a|an)\s+)?(?:[A-Z][\w.-]*(?:\s+[A-Z][\w.-]*)*|\w[\w-]*(?:\s+\w[\w-]*)?$|\w[\w-]*)"
)
"""A name, else the last two words, else one word."""
_CLOSING = " ?.!¿"
_EVERYTHING = frozenset().union(*FUNCTION_WORDS.values())


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question and what was answered."""

    question: str
    answer: str = ""


def stand_alone(question: str, earlier: Sequence[Turn]) -> str:
    """The question with what it leans on; itself where it leans on nothing."""
    if not earlier or not leans(question):
        return question
    before, answer = "", ""
    for turn in earlier[-_TURNS:]:
        asked = turn.question.strip()
        if len(asked) <= _LONGEST and query_terms(asked):
            before = _completed(asked, before, answer) if before and leans(asked) else asked
            answer = turn.answer
    return _completed(question.strip(), before, answer) if before else question


def leans(question: str) -> bool:
    """Whether a question cannot be understood without an earlier one."""
    text = question.strip()
    if not text or len(text) > _LONGEST:
        return False
    few = len(set(query_terms(text))) <= _FEW
    return few and (_is_fragment(text) or _unnamed(text) is not None or bool(_ONE_OF.search(text)))


def _is_fragment(text: str) -> bool:
    rest = _OPENER.sub("", text)
    words = rest.split()
    if rest != text:
        return len(words) <= 6
    return bool(_PREPOSITIONAL.match(text)) and len(words) <= 4


def _unnamed(text: str) -> re.Match[str] | None:
    """The first word that stands for something which the question does not name before it."""
    filled = [found.span() for found in _FILLED.finditer(text)]
    for found in _PRONOUN.finditer(text):
        if any(start <= found.start() < end for start, end in filled):
            continue
        # `Who approves it?`: what comes before an object at the end is what is done with it.
        last = not text[found.end() :].strip(_CLOSING)
        if _named(text[: found.start()]) <= last:
            return found if last or found.group().lower() not in ("one", "ones", "there") else None
    return None


def _named(text: str) -> int:
    """How many words of it could be a subject."""
    words = re.findall(r"\w+", text.lower())
    return sum(word not in _EVERYTHING and word not in _LEADING for word in words)


def _completed(question: str, before: str, answer: str) -> str:
    """The question together with the one that it leans on, as closely as the rules allow."""
    if _is_fragment(question):
        return _exchanged(_OPENER.sub("", question), before)
    if found := _unnamed(question):
        meant = _meant(found.group(), before, answer)
        if meant:
            return f"{question[: found.start()]}{meant}{question[found.end() :]}"
    return f"{before.rstrip(_CLOSING)}: {question}"


def _exchanged(fragment: str, before: str) -> str:
    """`in France` takes the place of `in Germany`; what has no counterpart is added."""
    new, asked = fragment.strip(_CLOSING), before.rstrip(_CLOSING)
    if not new or _PRONOUN.fullmatch(new):
        return before
    if preposition := _PREPOSITIONAL.match(new):
        word = re.escape(preposition.group().strip())
        if old := list(re.finditer(rf"\b{word}\s+{_PHRASE}", asked)):
            last = old[-1]
            return f"{asked[: last.start()]}{new}{asked[last.end() :]}?"
    names = list(_NAME.finditer(asked))
    if len(names) == 1 and new[:1].isupper():
        return f"{asked[: names[0].start()]}{new}{asked[names[0].end() :]}?"
    return f"{asked} {new}?"


def _meant(word: str, before: str, answer: str) -> str:
    """What a pronoun stands for: a name of the earlier answer or question, else its subject."""
    if _PERSON.fullmatch(word) and not _THING.fullmatch(word):
        names = [found.group() for found in _NAME.finditer(before)]
        answered = _SUBJECT.match(answer.strip()) if before.lower().startswith("who") else None
        meant = answered.group(1) if answered else names[-1] if names else _subject(before)
    else:
        meant = _subject(before)
    return f"{meant}'s" if meant and word.lower() in ("its", "his", "their", "her") else meant


def _subject(before: str) -> str:
    """An earlier question without the words that only ask."""
    words = before.strip(_CLOSING).split()
    while words and words[0].lower().strip(",") in _LEADING:
        words = words[1:]
    return " ".join(words)
