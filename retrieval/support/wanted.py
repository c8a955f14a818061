"""Whether a sentence holds the kind of answer that a question wants: a date, a name, a reason.

It looks for the form alone, and only for what the question has not said itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from retrieval.support.asked import Asked, Kind

_COUNTS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|"
    "fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|once|twice|dozen|"
    "third|quarter|zero|no|both|single"
)
_UNITS = (
    r"seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?|centur\w+|km|kilomet\w+|miles?|"
    r"met(?:er|re)s?|feet|foot|ft|cm|mm|m|kg|g|lbs?|pounds|tons?|tonnes|degrees|square|acres|knots|"
    r"mph|km/h|kn|nm|bar|kwh?|wh?"
)
_NUMBER = re.compile(rf"\d+|\b(?:{_COUNTS})\b", re.IGNORECASE)
_DATE = re.compile(
    r"\b(?:1\d|20)\d\ds?\b|\b(?:January|February|April|June|July|August|September|October|November|"
    r"December|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:\d|in|of|since|until) (?:March|May))\b"
    r"|\bcentur\w+|\b\d{1,4} ?(?:BC|AD|BCE|CE)\b|\b\d\d?:\d\d\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"[$€£¥]|\b(?:dollars?|euros?|pounds?|cents?|usd|eur|gbp)\b|\d+\.\d\d\b", re.IGNORECASE
)
_PERCENT = re.compile(r"%|\bper ?cent|\bpercentage|\bfraction|\bhalf|\bthird|\bquarter", re.I)
_MEASURE = re.compile(
    rf"(?:\d|\b(?:{_COUNTS})\b)[^.;]{{0,12}}\b(?:{_UNITS})\b|°|\d+%", re.IGNORECASE
)
_REASON = re.compile(
    r"\b(?:because|due to|since|in order to|so that|so as to|as a result|caus\w+|owing|reason|thus|"
    r"therefore|result(?:ed|s|ing)? (?:in|from)|led to|to (?:avoid|prevent|protect|allow|ensure|"
    r"help|make|reduce|increase|improve|get|keep|provide))\b",
    re.IGNORECASE,
)
_NAMING = re.compile(
    r"\b(?:called|named|known as|termed?|refer(?:s|red)? to|means?|defined|(?:is|are|was) an?|"
    r"considered|nicknamed|dubbed|titled|entitled|labell?ed)\b|[\"“]",
    re.IGNORECASE,
)
_MANNER = re.compile(r"\b(?:by|through|via|using|with|according)\b", re.IGNORECASE)
_PLACE = re.compile(
    r"\b(?:in|at|near|from|to|of|on|into|across|outside)\s+(?:the\s+)?[A-Z]\w+"
    r"|\b(?:[Nn]orth|[Ss]outh|[Ee]ast|[Ww]est)(?:ern)?\b"
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w’'-]+")

_WANTED: Mapping[Kind, tuple[re.Pattern[str], ...]] = {
    "number": (_NUMBER,),
    "percent": (_PERCENT,),
    "money": (_MONEY,),
    "measure": (_MEASURE,),
    "when": (_DATE,),
    "who": (_NAME,),
    "where": (_PLACE, _NAME),
    "why": (_REASON,),
    "how": (_MANNER,),
    "naming": (_NAMING,),
    "other": (_NAME,),
}


def holds_answer(asked: Asked, sentence: str) -> bool:
    """Whether the sentence has something of the wanted kind that the question has not."""
    return any(
        match.group().lower().strip(' "“') not in asked.words
        for pattern in _WANTED[asked.kind]
        for match in pattern.finditer(sentence)
    )
