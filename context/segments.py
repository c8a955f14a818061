"""An answer in Markdown, as it comes, cut into sentences and what is none.

The cuts depend on the text alone, never on the pieces in which it comes. At most one sentence, one
heading or one line of code is held back. Nothing is changed: the segments together are the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.sentences import sentences

MARKERS = re.compile(
    r"(?:[ \t]?(?:\[(?:sources?\s)?\d[\d,;\s]{0,40}\]|\[unsupported\]|【[^】\n]{1,60}】)){1,12}",
    re.IGNORECASE,
)

_MAY_END = re.compile(r"[.!?…]\S{0,24}?(?=\s)|[。！？]")
_NEXT_WORD = re.compile(r"\s*\S{1,48}(?=\s|(?<=\S{48}))")
_UNSEEN = 26  # a full stop further back than this has nothing to wait for
_TERMINAL = ".!?…:;。！？"
_WRAPPED_AT = 40  # a shorter line that ends without punctuation is an entry, not half a sentence
_LONGEST = 4_000  # characters held back where nothing ends
_SLICE = 1_000
_CONTEXT = 160  # characters before a full stop that decide whether it ends a sentence
_OPENING = 60  # characters in which a marker that has begun must end


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the answer; `prose` is false for headings, table rows, code and line ends."""

    text: str
    prose: bool


class Segments:
    """Takes an answer piece by piece and gives its segments as soon as they are certain."""

    def __init__(self) -> None:
        self._held = ""
        self._fence = ""  # what closes the block of code that is open
        self._in_line = False  # whether the line has begun before what is held
        self._scanned = 0  # up to here no sentence ends

    def feed(self, piece: str) -> Iterator[Segment]:
        # In slices, so that what is held stays short and each step stays cheap.
        for at in range(0, len(piece), _SLICE):
            self._held += piece[at : at + _SLICE]
            yield from self._certain(last=False)

    def finish(self) -> Iterator[Segment]:
        """What is still held, now that nothing more comes."""
        return self._certain(last=True)

    def _certain(self, last: bool) -> Iterator[Segment]:
        while self._held and (segment := self._next(last)):
            self._held = self._held[len(segment.text) :]
            self._scanned = 0
            yield segment

    def _next(self, last: bool) -> Segment | None:
        if self._held[0] == "\n":
            self._in_line = False
            return Segment("\n", False)
        if self._in_line:
            return self._sentence(last)
        opening = self._held.lstrip(" \t")
        if not opening and not last:
            return None
        if self._fence or opening[:1] in ("#", "|"):
            return self._line(last)
        if opening[:1] in ("`", "~"):
            if len(opening) < 3 and not last and "\n" not in opening:
                return None
            if opening[:3] in ("```", "~~~"):
                return self._line(last)
        self._in_line = True
        return self._sentence(last)

    def _line(self, last: bool) -> Segment | None:
        """A line that is passed on as it is; it may open or close a block of code."""
        end = self._held.find("\n")
        if end < 0 and not last and len(self._held) < _LONGEST:
            return None
        cut = end if 0 <= end <= _LONGEST else min(len(self._held), _LONGEST)
        line = self._held[:cut]
        mark = line.strip()[:3]
        if self._fence and mark == self._fence and not line.strip(f" \t{mark[0]}"):
            self._fence = ""
        elif not self._fence and mark in ("```", "~~~"):
            self._fence = mark
        return Segment(line, False)

    def _sentence(self, last: bool) -> Segment | None:
        end = self._end(last)
        if end is None and len(self._held) >= _LONGEST:
            end = _LONGEST
        return None if end is None else Segment(self._held[:end], True)

    def _end(self, last: bool) -> int | None:
        """Where the first sentence that is held ends; None while that is uncertain."""
        line_end = self._line_end(last)
        limit = len(self._held) if line_end is None else line_end
        for match in _MAY_END.finditer(self._held, self._scanned, limit):
            whole = line_end is not None
            word = _NEXT_WORD.match(self._held, match.end(), limit)
            if word is None and not whole:
                return None
            if (end := self._ends(match, word.end() if word else limit)) is not None:
                return self._with_markers(end, limit, whole)
            self._scanned = match.end()
        self._scanned = max(self._scanned, limit - _UNSEEN)
        return line_end

    def _ends(self, match: re.Match[str], seen: int) -> int | None:
        """Where the sentence ends, if it does at this full stop; judged by what is seen of it."""
        begin = max(0, match.start() - _CONTEXT)
        *spans, _ = sentences(self._held[begin:seen] + " ") or [(0, 0)]
        ends = (begin + end for _, end in spans)
        return next((end for end in ends if match.start() < end <= match.end()), None)

    def _line_end(self, last: bool) -> int | None:
        """The end of the line, or of the last of several where a sentence merely wraps."""
        end = self._held.find("\n")
        while end >= 0:
            line = self._held[self._held.rfind("\n", 0, end) + 1 : end].rstrip()
            if len(line) < _WRAPPED_AT or line[-1] in _TERMINAL:
                return end
            following = self._held[end + 1 : end + 2]
            if not following and not last:
                return None
            if not following.islower():
                return end
            end = self._held.find("\n", end + 1)
        return len(self._held) if last else None

    def _with_markers(self, end: int, limit: int, whole: bool) -> int | None:
        """Markers behind the full stop belong to the sentence before it."""
        markers = MARKERS.match(self._held, end, limit)
        end = markers.end() if markers else end
        rest = self._held[end:limit].lstrip(" \t")
        if not whole and (not rest or (rest[0] in "[【" and _is_open(rest))):
            return None
        return end


def _is_open(text: str) -> bool:
    """Whether a bracket that has begun may still become a marker."""
    return len(text) < _OPENING and "]" not in text and "】" not in text
