"""Passages as they stand in a prompt: numbered, quoted, and what each costs in tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from context.compress import compressed
from context.quoting import JOINED, marked, quoted
from context.tokens import Counter
from context.types import Source
from retrieval.types import Hit

OPEN, CLOSE = "<sources>\n", "</sources>\n\n"
_END = "</source>\n"


@dataclass(frozen=True, slots=True)
class Fence:
    """A source in its fence, and its tokens."""

    source: Source
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Fences:
    """How passages are fenced in one prompt."""

    count: Counter
    flagged: Collection[str]  # ids of those that give orders to models
    marking: bool  # whether these are marked word by word

    def of(self, source: Source) -> Fence:
        """A passage that can neither close its fence nor open another."""
        passage = source.hit.passage
        suspect = passage.id in self.flagged
        word_by_word = suspect and self.marking
        text = quoted(
            "source",
            marked(passage.text) if word_by_word else passage.text,
            n=str(source.number),
            title=passage.title or passage.document,
            section=" › ".join(passage.headings),
            page="" if passage.page is None else str(passage.page),
            suspect="true" if suspect else "",
            joined=JOINED if word_by_word else "",
        )
        return Fence(source, f"{text}\n", self._tokens(f"{text}\n"))

    def shortened(self, hit: Hit, number: int, question: str, room: int) -> Fence | None:
        """A passage cut to what bears on the question and fits; None where nothing does both."""
        passage = hit.passage
        bare = self.of(Source(number, replace(hit, passage=replace(passage, text="")))).tokens
        text = compressed(hit, question, room - bare, self.count)
        if text is None:
            return None
        cut = replace(hit, passage=replace(passage, text=text), answers=())
        fence = self.of(Source(number, cut, shortened=True))
        return fence if fence.tokens <= room else None

    def _tokens(self, text: str) -> int:
        """Counted in three pieces, between which tokenizers cut: what changes with the prompt, and
        the passage, which does not and so is counted once however often it is found."""
        at = text.index(">\n") + 2
        head, body = text[:at], text[at : -len(_END)]
        if not body or body[0].isspace() or body[0] == "/":
            return self.count(text)
        return self.count(head) + self.count(body) + self.count(_END)
