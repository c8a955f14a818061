"""Markers `[n]` in an answer: which sources they name, which claims have none, where they stand.

Works on an answer as it comes and holds back at most one sentence. It reads form alone; what a
passage supports is asked of a function that is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from context.claims import is_claim
from context.segments import Segment, Segments

UNSUPPORTED = "[unsupported]"
SUPPORTED = 0.5
"""The least support for which a claim is given a marker that its writer left out."""

UNRELATED = 0.15
"""Below this support a marker is not believed: the source speaks of something else. Low, since an
honest paraphrase shares few words with its source."""

Support: TypeAlias = Callable[[str, Sequence[int]], float]
"""How much the cited sources together support a claim, from 0 to 1."""

Best: TypeAlias = Callable[[str], "tuple[int, float] | None"]
"""The source that supports a claim most, and how much, from 0 to 1."""

_NUMBERS = r"\d{1,3}(?:\s?[,;]\s?\d{1,3}){0,11}"
_MARKER = re.compile(
    rf"([ \t]?)(?:\[(?:sources?\s)?({_NUMBERS})\](?!\((?:https?:|[#/.]))"
    rf"|【({_NUMBERS})(?:[†:][^】\n]{{0,40}})?】)",
    re.IGNORECASE,
)
_CANONICAL = re.compile(r"\[(\d{1,3})\](?!\()")
_FLAG = re.compile(r"[ \t]?\[unsupported\]", re.IGNORECASE)
_CODE = re.compile(r"(`{1,3})[^`\n]{1,400}?\1")
_END = re.compile(r"[.!?…。！？]+\s*$")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that states something, and the numbers of the sources it cites."""

    text: str
    cited: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """What a source is called, and where it is."""

    title: str
    url: str


class Citing:
    """Puts an answer's markers right, sentence by sentence.

    Markers that point to nothing are dropped; `[1, 2]` becomes `[1][2]`. With `best` (strict
    grounding) a claim without a marker gets that of the source which supports it best, or is
    flagged as unsupported; with `support` so is one whose sources speak of something else.
    """

    def __init__(
        self,
        numbers: Collection[int],
        best: Best | None = None,
        least: float = SUPPORTED,
        support: Support | None = None,
    ) -> None:
        self._numbers = frozenset(numbers)
        self._best = best
        self._least = least
        self._support = support
        self._segments = Segments()
        self.claims: list[Claim] = []
        self.dropped: list[int] = []  # numbers that no source has
        self._cited: dict[int, None] = {}

    @property
    def cited(self) -> tuple[int, ...]:
        """Numbers of the sources cited so far, in order of appearance."""
        return tuple(self._cited)

    def feed(self, piece: str) -> str:
        """The text that is finished now."""
        return self._all(self._segments.feed(piece))

    def finish(self) -> str:
        """The rest, now that nothing more comes."""
        return self._all(self._segments.finish())

    def _all(self, segments: Iterable[Segment]) -> str:
        return "".join(self._put_right(each.text) if each.prose else each.text for each in segments)

    def _put_right(self, sentence: str) -> str:
        text, cited = self._tidied(sentence)
        plain = _FLAG.sub("", without_markers(text)).strip()
        if is_claim(plain):
            flagged = _FLAG.search(text) is not None
            if cited and self._support and self._support(plain, cited) < UNRELATED:
                text, cited = without_markers(text), ()  # a marker alone backs nothing
            if not cited and not flagged and self._best:
                text, cited = self._attributed(text, plain, self._best)
            self.claims.append(Claim(plain, cited))
        self._cited.update(dict.fromkeys(cited))
        return text

    def _tidied(self, sentence: str) -> tuple[str, tuple[int, ...]]:
        """The sentence with markers of existing sources only, and their numbers."""
        cited: dict[int, None] = {}

        def tidy(match: re.Match[str]) -> str:
            named = [int(n) for n in re.findall(r"\d+", match[2] or match[3])]
            if 0 in named:
                return match[0]  # No source is number 0: this is an index, as in code.
            known = [n for n in named if n in self._numbers]
            self.dropped += (n for n in named if n not in self._numbers)
            cited.update(dict.fromkeys(known))
            return match[1] + "".join(f"[{n}]" for n in known) if known else ""

        return _outside_code(sentence, lambda text: _MARKER.sub(tidy, text)), tuple(cited)

    def _attributed(self, text: str, plain: str, best: Best) -> tuple[str, tuple[int, ...]]:
        found = best(plain)
        if found and found[1] >= self._least:
            return _marked(text, f"[{found[0]}]"), (found[0],)
        return _marked(text, UNSUPPORTED), ()


def cite(sentence: str, numbers: Collection[int], best: Best | None = None) -> str:
    """One finished text with its markers put right."""
    citing = Citing(numbers, best)
    return citing.feed(sentence) + citing.finish()


def without_markers(text: str) -> str:
    """The words alone."""
    return _outside_code(text, lambda words: _MARKER.sub("", words))


def url_citations(text: str, links: Mapping[int, Link]) -> list[dict[str, Any]]:
    """Each marker of the final text in OpenAI's shape; indices count characters."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": start,
                "end_index": end,
                "title": links[number].title,
                "url": links[number].url,
            },
        }
        for number, start, end in _markers(text)
        if number in links
    ]


def _markers(text: str) -> Iterable[tuple[int, int, int]]:
    """Number and place of each marker, code left out."""
    segments = Segments()
    at = 0
    for segment in (*segments.feed(text), *segments.finish()):
        if segment.prose:
            masked = _CODE.sub(lambda match: " " * len(match[0]), segment.text)
            for match in _CANONICAL.finditer(masked):
                yield int(match[1]), at + match.start(), at + match.end()
        at += len(segment.text)


def _marked(sentence: str, marker: str) -> str:
    """The sentence with a marker in front of its full stop, or at its end."""
    end = _END.search(sentence)
    at = end.start() if end else len(sentence.rstrip())
    return f"{sentence[:at]} {marker}{sentence[at:]}"


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply a change to everything but spans of code."""
    if "`" not in text:
        return change(text)
    pieces: list[str] = []
    at = 0
    for match in _CODE.finditer(text):
        pieces += change(text[at : match.start()]), match[0]
        at = match.end()
    return "".join((*pieces, change(text[at:])))
