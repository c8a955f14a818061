"""The sections of a document: which blocks stand under which path of headings."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from retrieval.types import Block, Document


@dataclass(slots=True)
class Section:
    """What stands under one heading, up to the next."""

    path: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)

    @property
    def start(self) -> int:
        return self.blocks[0].start

    @property
    def end(self) -> int:
        return self.blocks[-1].end

    def part(self, start: int, end: int) -> Section:
        """What of it lies within a stretch."""
        low = bisect_right(self.blocks, start, key=lambda block: block.end)
        beyond = bisect_left(self.blocks, end, key=lambda block: block.start)
        inside = self.blocks[low:beyond]
        last = inside[-1]
        inside[0] = replace(inside[0], start=max(inside[0].start, start))
        inside[-1] = replace(inside[-1], end=min(last.end, end))
        return Section(self.path, inside)


def outline(document: Document) -> list[Section]:
    """Sections in order. A heading with nothing below it is itself the text of its parent."""
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    open_ = False  # whether the last section may go on: no heading has come since
    for index, block in enumerate(document.blocks):
        if block.kind == "heading":
            while above and above[-1][0] >= block.level:
                above.pop()
            if _leads(document.blocks, index):
                text = document.text[block.start : block.end]
                above.append((block.level, " ".join(text.split())))
                open_ = False
                continue
        path = tuple(text for _, text in above if text != document.title)
        if not open_ or sections[-1].path != path:
            sections.append(Section(path))
        sections[-1].blocks.append(block)
        open_ = True
    return sections


def _leads(blocks: Sequence[Block], index: int) -> bool:
    """Whether anything stands under a heading."""
    following = blocks[index + 1] if index + 1 < len(blocks) else None
    if following is None:
        return False
    return following.kind != "heading" or following.level > blocks[index].level
