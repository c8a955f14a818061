"""What the model reads in the place of what was searched: a hit's stretch of its section.

First it is decided which hits are read together, from their places alone; only what remains after
the cut is fetched. It does not know how passages were split, nor where they live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from retrieval.types import Hit, Passage, Span, Viewer


class Shelf(Protocol):
    """As much of an index as is needed here."""

    async def around(
        self, wanted: Sequence[tuple[str, int, int]], viewer: Viewer | None = None
    ) -> list[list[Passage]]:
        """The live passages of a document from one ordinal to another, for each that is asked."""
        ...


def merged(hits: Sequence[Hit], wanted: int) -> list[Hit]:
    """Hits of one stretch, or of two that overlap, as one: the best, that reaches as far as both.

    Best first, as they come. What ranks behind `wanted` others makes nothing wider, and is left
    out where it is read already."""
    if not any(hit.passage.parent for hit in hits):
        return list(hits)
    kept: list[Hit] = []
    for hit in hits:
        together = [place for place, other in enumerate(kept) if _overlap(other, hit)]
        if not together:
            kept.append(hit)
        elif len(kept) <= wanted:
            for place in together[1:]:
                kept[together[0]] = _joined(kept[together[0]], kept[place])
            kept[together[0]] = _joined(kept[together[0]], hit)
            for place in reversed(together[1:]):
                del kept[place]
    return kept


async def widened(index: Shelf, hits: Sequence[Hit], viewer: Viewer | None = None) -> list[Hit]:
    """Each hit with the text of its whole stretch. A passage's own is left where its document has
    been replaced since the search."""
    reaching = [hit for hit in hits if hit.passage.parent]
    if not reaching:
        return list(hits)
    wanted = [(hit.passage.document, *_reach(hit.passage)) for hit in reaching]
    found = await index.around(wanted, viewer)
    read = dict(zip((hit.passage.id for hit in reaching), found, strict=True))
    return [_widened(hit, read.get(hit.passage.id, ())) for hit in hits]


def _reach(passage: Passage) -> tuple[int, int]:
    return passage.parent or (passage.ordinal, passage.ordinal)


def _overlap(one: Hit, other: Hit) -> bool:
    a, b = one.passage, other.passage
    if a.document != b.document or a.version != b.version:
        return False
    (first, last), (begin, end) = _reach(a), _reach(b)
    return first <= end and begin <= last


def _joined(best: Hit, other: Hit) -> Hit:
    """The better one of two, widened; the answers of both, from the better one's start."""
    (first, last), (begin, end) = _reach(best.passage), _reach(other.passage)
    moved = _moved(other.answers, other.passage.start - best.passage.start)
    return replace(
        best,
        passage=replace(best.passage, parent=(min(first, begin), max(last, end))),
        answers=(*best.answers, *moved),
        also=tuple(dict.fromkeys((*best.also, *other.also))),
    )


def _widened(hit: Hit, read: Sequence[Passage]) -> Hit:
    passage = hit.passage
    if not _whole(passage, read):
        return hit
    start = read[0].start
    text = "".join(each.text for each in read).rstrip()
    stretch = replace(
        passage,
        text=text,
        start=start,
        end=start + len(text),
        page=read[0].page,
        flags=tuple(dict.fromkeys(flag for each in read for flag in each.flags)),
        sketch=b"",
    )
    return replace(hit, passage=stretch, answers=_moved(hit.answers, passage.start - start))


def _whole(passage: Passage, read: Sequence[Passage]) -> bool:
    """Whether these are all passages of the stretch, of one version, each up to the next."""
    if not read:
        return False
    first, last = _reach(passage)
    return (
        [each.ordinal for each in read] == list(range(first, last + 1))
        and all(each.version == passage.version for each in read)
        and sum(len(each.text) for each in read) == read[-1].end - read[0].start
    )


def _moved(answers: Sequence[Span], by: int) -> tuple[Span, ...]:
    return tuple(replace(each, start=each.start + by, end=each.end + by) for each in answers)
