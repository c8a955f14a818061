"""Documents of a few blocks, a count of words, and what must hold of every document's passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from hypothesis import strategies as st

from retrieval.parsing.draft import Draft
from retrieval.types import BlockKind, Document, Passage

SENTENCE = "The returns window in the European Union is thirty days from delivery."


def count(text: str) -> int:
    """Words and marks, two special tokens, and long words in pieces, as a tokenizer counts."""
    return 2 + sum(1 + len(word) // 8 for word in re.findall(r"\w+|[^\w\s]", text))


class Counting:
    """A count that knows how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: str) -> int:
        self.calls += 1
        return count(text)


Written: TypeAlias = tuple[BlockKind, str, int]


def heading(text: str, level: int) -> Written:
    return ("heading", text, level)


def block(kind: BlockKind, text: str) -> Written:
    return (kind, text, 0)


def paragraph(text: str) -> Written:
    return block("paragraph", text)


def made(*blocks: Written, title: str = "") -> Document:
    draft = Draft()
    draft.title = title
    for kind, text, level in blocks:
        draft.add(kind, text, level, page=1 + draft.size // 1000)
    return draft.document("a/b.md", "v1", "a")


words = st.text(
    st.sampled_from("abcXYZ019éß中文.,;:!? \n\t-–…()'\"€\u0301\U0001f600"), max_size=400
)
kinds: list[BlockKind] = ["paragraph", "list", "table", "code"]
bodies = st.builds(block, st.sampled_from(kinds), words)
headings = st.builds(heading, st.text("ab cd", max_size=90), st.integers(1, 4))


def says_all(document: Document, passages: Sequence[Passage]) -> None:
    held = {i for p in passages for i in range(p.start, p.end)}
    for part in document.blocks:
        inside = range(part.start, part.end)
        missing = [i for i in inside if i not in held and not document.text[i].isspace()]
        assert not missing or part.kind == "heading"
