"""As many tokens as fit, whatever they cut through, again and again with an overlap.

The plain way that others are measured against. Only words stay whole. A passage is named by the
headings above its beginning, and holds those that it runs over as text.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from retrieval.chunking.measure import Count, Measure, measured, trimmed
from retrieval.chunking.outline import outline
from retrieval.types import Document, Passage

_FULL = 0.93  # of the limit: it is not worth another count to come closer
_TRIES = 6
_USUAL = 4  # characters a token
_LONGEST_WORD = 60  # characters; longer ones are cut
_MOST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Fixed:
    """`limit` and `overlap` are in tokens."""

    count: Count
    limit: int
    overlap: int

    def split(self, document: Document) -> list[Passage]:
        sections = outline(document)
        ends = [section.end for section in sections]
        measures: dict[tuple[str, ...], Measure] = {}
        passages: list[Passage] = []
        at, end = trimmed(document.text, 0, len(document.text))
        length = self.limit * _USUAL
        while at < end:
            path = sections[min(bisect_right(ends, at), len(ends) - 1)].path if sections else ()
            if path not in measures:
                measures[path] = measured(document, path, self.count, self.limit)
            stop = _stop(at, end, length, measures[path])
            length = max(_USUAL, stop - at)  # the next one will be about as long
            start, stop = trimmed(document.text, at, stop)
            passages.append(measures[path].passage(len(passages), start, stop))
            at = end if stop >= end else self._back(start, stop, measures[path])
        return passages

    def _back(self, start: int, stop: int, measure: Measure) -> int:
        """Where the next one begins: so many tokens before the end of this one."""
        share = min(_MOST_OVERLAP, self.overlap / measure.room)
        text = measure.document.text
        at = max(start + 1, stop - int((stop - start) * share))
        while at < stop and not text[at - 1].isspace():
            at += 1
        while text[at].isspace():
            at += 1
        return at


def _stop(at: int, end: int, length: int, measure: Measure) -> int:
    """The end of the longest stretch from here that fits, nearly: guessed, counted, corrected."""
    if measure.fits(at, end):
        return end
    fits, beyond = at, end
    guess = at + length
    for _ in range(_TRIES):
        stop = _word_end(measure.document.text, at, min(guess, beyond - 1))
        tokens = measure.tokens(at, stop)
        if tokens is None or tokens > measure.limit:
            beyond = min(beyond, stop)
        elif stop > fits:
            fits = stop
        if fits == stop and tokens and tokens >= measure.limit * _FULL:
            break
        guess = at + int(0.98 * measure.room / measure.ratio(at, stop, tokens))
        guess = guess if fits < guess < beyond else (fits + beyond) // 2
    while fits == at:
        beyond = at + max(1, (beyond - at) // 2)
        fits = beyond if beyond == at + 1 or measure.fits(at, beyond) else at
    return fits


def _word_end(text: str, start: int, guess: int) -> int:
    """The end of the last word before here; here, in a word that is too long to be one."""
    for stop in range(guess, max(start, guess - _LONGEST_WORD), -1):
        if text[stop].isspace():
            return stop
    return max(guess, start + 1)
