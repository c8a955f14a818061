"""How a long text is read: in which parts, by how many calls, and what they come to at most.

Arithmetic over counts. What a call of each kind says besides its material comes in as tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from context.long_documents.config import LongDocumentsConfig
from context.long_documents.cutting import NoRoom, Part, cut
from context.tokens import Counter
from context.types import PromptTooLong
from retrieval.types import Document

Method: TypeAlias = Literal["map_reduce", "refine", "hierarchical"]
"""`map_reduce`: notes on each part, joined at once. `hierarchical`: notes are joined by neighbours,
level by level. `refine`: one part after another, each improving on what was written before."""

_SHORTEST_NOTE = 96
"""Tokens. Rather than shorter ones, notes are joined on another level."""

_LONGER = 1.25
"""A model's tokens are not quite ours: a note is kept up to so many times what it may have."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What each kind of call says besides its material, in tokens."""

    part: int
    join: int
    refine: int
    last: int
    fence: int  # of the tags around a part or a note, at most


@dataclass(frozen=True, slots=True)
class Window:
    """What a prompt and its answer share, in tokens."""

    usable: int  # without the margin
    answer: int  # of it, kept free for the last call's
    thoughts: int = 0  # of it, kept free for what is thought before a note is written


@dataclass(frozen=True, slots=True)
class Scheme:
    """What is going to be done."""

    method: Method
    parts: tuple[Part, ...]
    levels: tuple[int, ...]  # calls of each level; the last is the answer's alone
    note: int  # tokens that any other call may write
    prompt: int  # tokens read by all calls, at most
    completion: int  # tokens written by all, at most
    thoughts: int = 0  # tokens that any other call may think before

    @property
    def calls(self) -> int:
        return sum(self.levels)

    @property
    def kept(self) -> int:
        """Tokens of a note, beyond which it is cut."""
        return kept(self.note)


def kept(note: int) -> int:
    return math.ceil(note * _LONGER)


def planned(
    document: Document,
    method: Method,
    window: Window,
    frames: Frames,
    count: Counter,
    config: LongDocumentsConfig,
) -> Scheme:
    """The cheapest way of that kind. Computes: not for the event loop. Raises PromptTooLong where
    the window has no room for a part beside what has to be said of it."""
    note = min(config.note_tokens, max(_SHORTEST_NOTE, window.usable // 8))
    try:
        if method == "refine":
            return _refined(document, note, window, frames, count, config)
        return _mapped(document, method, note, window, frames, count, config)
    except NoRoom:
        least = max(frames.part, frames.join, frames.refine, frames.last) + kept(note)
        raise PromptTooLong({"instructions": least}, window.usable, window.answer) from None


def _mapped(
    document: Document,
    method: Method,
    note: int,
    window: Window,
    frames: Frames,
    count: Counter,
    config: LongDocumentsConfig,
) -> Scheme:
    limit = min(
        config.part_tokens, window.usable - frames.part - frames.fence - note - window.thoughts
    )
    parts = cut(document, count, limit, min(config.overlap_tokens, limit // 4))
    last = window.usable - frames.last - window.answer
    if method == "map_reduce":
        share = math.floor((last // len(parts) - frames.fence) / _LONGER)
        note = min(note, max(share, _SHORTEST_NOTE))
    levels = [*_levels(len(parts), method, note, last, window, frames, config), 1]
    read = sum(part.tokens + frames.fence + frames.part for part in parts)
    for before, calls in pairwise(levels[:-1]):
        read += before * (kept(note) + frames.fence) + calls * frames.join
    read += levels[-2] * (kept(note) + frames.fence) + frames.last
    written = (sum(levels) - 1) * (note + window.thoughts) + window.answer
    return Scheme(method, parts, tuple(levels), note, read, written, window.thoughts)


def _levels(
    parts: int,
    method: Method,
    note: int,
    last: int,
    window: Window,
    frames: Frames,
    config: LongDocumentsConfig,
) -> list[int]:
    """Calls of each level, down to as many notes as the last call takes."""
    each = kept(note) + frames.fence
    fan = (window.usable - frames.join - note - window.thoughts) // each
    most = last // each
    if method == "hierarchical":
        fan, most = min(fan, config.fan_in), min(most, config.fan_in)
    levels = [parts]
    while levels[-1] > most:
        if fan < 2 or most < 1:
            raise NoRoom
        levels.append(math.ceil(levels[-1] / fan))
    return levels


def _refined(
    document: Document,
    note: int,
    window: Window,
    frames: Frames,
    count: Counter,
    config: LongDocumentsConfig,
) -> Scheme:
    draft = kept(note) + frames.fence
    beside = frames.refine + note + window.thoughts
    room = window.usable - max(beside, frames.last + window.answer)
    limit = min(config.part_tokens, room - draft - frames.fence)
    parts = cut(document, count, limit, min(config.overlap_tokens, limit // 4))
    number = len(parts)
    read = sum(part.tokens + frames.fence + draft for part in parts)
    read += (number - 1) * frames.refine + frames.last
    written = (number - 1) * (note + window.thoughts) + window.answer
    return Scheme("refine", parts, (1,) * number, note, read, written, window.thoughts)


def neighbours(many: int, groups: int) -> list[range]:
    """So many things in so many groups of neighbours, about equally many in each."""
    bounds = [many * place // groups for place in range(groups + 1)]
    return [range(start, end) for start, end in pairwise(bounds)]
