"""What each call over a long text says: instructions, the task, and material between tags.

What the parts and notes are, and how many, is decided in planning.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from context.history import conversation
from context.long_documents.apart import Apart
from context.long_documents.cutting import Part, sections
from context.long_documents.planning import Frames
from context.packing import instructed
from context.prompts.catalogue import Prompts
from context.quoting import quoted
from context.tokens import Tokenizer, messages_tokens
from context.types import Prompt
from retrieval.types import Document

_HIGHEST = 10_000  # number of a part
_JOINT = 4  # tokens by which texts in a row may differ from the same texts counted apart

_WORDS_A_TOKEN = 0.6
"""So many are asked for, so that a note ends before its bound."""


@dataclass(frozen=True, slots=True)
class Note:
    """What was written of some neighbouring parts."""

    first: int  # numbers of parts
    last: int
    text: str

    @property
    def of(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Asking:
    """The prompts of one long text and one task."""

    apart: Apart
    document: Document
    prompts: Prompts

    def part(self, part: Part, of: int, note: int) -> Prompt:
        """Notes on a part."""
        return self._aside("long_part", note, self._shown(part, of))

    def join(self, notes: Sequence[Note], of: int, note: int) -> Prompt:
        """Notes on neighbouring parts as one."""
        return self._aside("long_join", note, _fenced(notes, of))

    def refine(self, draft: Note | None, part: Part, of: int, note: int) -> Prompt:
        """What was written of the parts before, with what this one adds."""
        notes = [draft] if draft else []
        return self._aside("long_refine", note, _fenced(notes, of), self._shown(part, of))

    def last(self, notes: Sequence[Note], of: int, part: Part | None = None) -> Prompt:
        """The conversation as the client has it, where notes stand for the text."""
        shown = [_fenced(notes, of), *([self._shown(part, of)] if part else [])]
        parts = conversation(self.apart.with_material("\n".join(filter(None, shown))))
        system = instructed(self.prompts.used("long_last").render(), parts)
        earlier = (message for turn in parts.earlier for message in turn)
        return Prompt((system, *earlier, *parts.last), question=self.apart.task)

    def frames(self, count: Tokenizer, note: int) -> Frames:
        """What these say besides their material."""
        empty = Part(1, 0, 0, 0, 0, "")
        named = {"", *(section for _, section in sections(self.document))}
        fences = [quoted("part", "", n=f"{_HIGHEST} of {_HIGHEST}", section=name) for name in named]
        fences.append(quoted("notes", "", on=f"part {_HIGHEST}-{_HIGHEST} of {_HIGHEST}"))

        def tokens(prompt: Prompt) -> int:
            return messages_tokens(prompt.messages, count)

        return Frames(
            part=tokens(self.part(empty, 1, note)),
            join=tokens(self.join((), 1, note)),
            refine=tokens(self.refine(None, empty, 1, note)),
            last=tokens(self.last((), 1, empty)),
            fence=max(map(count, fences)) + _JOINT,
        )

    def _shown(self, part: Part, of: int) -> str:
        text = self.document.text[part.lead : part.end]
        return quoted("part", text, n=f"{part.number} of {of}", section=part.section)

    def _aside(self, name: str, note: int, *material: str) -> Prompt:
        told = self.prompts.used(name).render(words=str(int(note * _WORDS_A_TOKEN)))
        shown = "\n".join(filter(None, (*material, quoted("task", self.apart.task))))
        messages = ({"role": "system", "content": told}, {"role": "user", "content": shown})
        return Prompt(messages, question=self.apart.task)


def _fenced(notes: Sequence[Note], of: int) -> str:
    return "\n".join(quoted("notes", note.text, on=f"part {note.of} of {of}") for note in notes)
