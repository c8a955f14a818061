"""A passage cut to what bears on the question, by words alone: whole sentences, whole tables and
blocks of code, in their order, an ellipsis where something is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from context.tokens import Counter
from retrieval.sentences import Span, is_row, sentences
from retrieval.types import Hit
from retrieval.words import query_terms, terms

GAP = "…"
_GAP_TOKENS = 2
_FENCE = re.compile(r"[ \t]*(```|~~~)")
_BESIDE = 0.25  # of a sentence's weight is that of the next one, which often says more of it
_ANSWERS = 2.0  # what the reader took for an answer weighs as much as two of the rarest words


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is kept or left out whole: `text[start:end]`."""

    place: int
    start: int
    end: int
    tokens: int
    weight: float
    follows: bool  # whether it has its weight from the one before alone


def compressed(hit: Hit, question: str, room: int, count: Counter) -> str | None:
    """The passage's text in so many tokens; None where nothing in it bears on the question, or
    that alone is too long."""
    text = hit.passage.text
    kept: dict[int, _Unit] = {}
    left = room - _GAP_TOKENS
    for unit in sorted(_units(hit, question, count), key=lambda unit: (-unit.weight, unit.start)):
        if unit.tokens <= left and not (unit.follows and unit.place - 1 not in kept):
            kept[unit.place] = unit
            left -= unit.tokens
    while kept:
        shorter = _joined(text, [kept[place] for place in sorted(kept)])
        if count(shorter) <= room:
            return shorter
        kept.popitem()  # the least telling: tokens counted apart may be a few less
    return None


def _units(hit: Hit, question: str, count: Counter) -> Iterator[_Unit]:
    """Of what a passage consists, and how much each bears on the question; what does not is left
    out."""
    text = hit.passage.text
    spans = _spans(text)
    before = 0.0
    for place, ((start, end), weight) in enumerate(
        zip(spans, _weights(text, spans, question, hit), strict=True)
    ):
        if weight or before:
            tokens = count(text[start:end]) + _GAP_TOKENS
            yield _Unit(place, start, end, tokens, weight + _BESIDE * before, not weight)
        before = weight


def _spans(text: str) -> list[Span]:
    """Sentences, and tables and blocks of code as one each."""
    spans: list[Span] = []
    table = False  # whether the last one is a table that may go on
    fence = ""  # what closes the block of code that is open
    for start, end in sentences(text):
        part = text[start:end]
        mark = _FENCE.match(part)
        row = not fence and not mark and is_row(part)
        if spans and (fence or (row and table)):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        table = row
        if mark:
            fence = "" if mark[1] == fence else fence or mark[1]
    return spans


def _weights(text: str, spans: Sequence[Span], question: str, hit: Hit) -> list[float]:
    """How much each bears on the question: the question's words in it, the rarer the more."""
    asked = frozenset(query_terms(question))
    said = [asked.intersection(terms(text[start:end])) for start, end in spans]
    often = Tally(term for each in said for term in each)
    rarity = {term: math.log(1 + len(spans) / number) for term, number in often.items()}
    weights = [sum(rarity[term] for term in each) for each in said]
    answer = hit.answer
    if answer:
        most = math.log(1 + len(spans))
        for place, (start, end) in enumerate(spans):
            if start <= answer.start < end:
                weights[place] += _ANSWERS * most
    return weights


def _joined(text: str, units: Sequence[_Unit]) -> str:
    """The units as they stand in the text; what was between them is an ellipsis."""
    pieces: list[str] = []
    at = 0
    for unit in units:
        between = text[at : unit.start]
        pieces += _between(between), text[unit.start : unit.end]
        at = unit.end
    rest = text[at:]
    return "".join((*pieces, _between(rest).rstrip() if rest.strip() else "")).lstrip()


def _between(text: str) -> str:
    """White space stays; words become an ellipsis, on a line of its own between lines."""
    if not text.strip():
        return text
    return f"\n{GAP}\n" if "\n" in text else f" {GAP} "
