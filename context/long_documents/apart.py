"""Of a conversation: which of its texts is the long document, and what is asked of it.

The longest text that a user sent is the document. What to do with it stands in the last user
message: beside it in a text of its own, or in the document's own first or last paragraph, where
that reads like a request. Where several long texts come with a shorter one, that is what is asked,
and they are one document. Nothing is left out: what is no task is document.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from context.types import Message

SUMMARISE = "Summarise the text."
"""What is done where nothing is asked."""

USUAL_WORDS = 150
_MOST_WORDS = 5_000

LONGEST_TASK = 1_500  # characters of a paragraph that may be one
_LONGEST_BESIDE = 6_000  # characters of a text of its own that may be one
_SHORT_QUESTION = 300  # characters, up to which whatever ends with a question mark is one

_SUMMARY = re.compile(
    r"\b(?:summari[sz]\w*|summary|tl;?dr|key (?:points|takeaways|facts)|main (?:points|ideas)"
    r"|overview|gist|outline|in brief|condense|abridge|zusammenfass\w*|fass\w* .{0,60}\bzusammen"
    r"|résum\w*|resum\w*|riassum\w*|samenvat\w*)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(?:(?:please|kindly|can you|could you|would you|i want you to|your task is to|bitte)\W+)*"
    r"(?:question:|task:|instructions?:|summari[sz]e|condense|abridge|tl;?dr|outline the|extract"
    r"|list (?:all|the|every|each)|find (?:all|the|every|each|out)|explain|describe|compare"
    r"|translate|rewrite|(?:write|give|tell|make|create|produce|provide) (?:me|us|a|an|the)\b"
    r"|answer (?:the|this|these|my)|identify|analy[sz]e|classify"
    r"|fasse?|nenne|erkläre|übersetze|finde|liste|résume[rz]?|resume|riassumi|vat )",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^\W*(?:question\W+)?(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|does|do"
    r"|did|can|has|have|in what|at what|on what|for what|to what"
    r"|was|wer|wann|wo|warum|wie|welche[rsnm]?)\b",
    re.IGNORECASE,
)
_EVERYWHERE = re.compile(
    r"\b(?:how (?:many|often)|all|each|every|overall|total|throughout|compare|themes?|list|most"
    r"|least|alle|jede[rsn]?|insgesamt|wie (?:viele|oft))\b",
    re.IGNORECASE,
)
_OPENED = re.compile(r"<(document|text|article)>", re.IGNORECASE)
_WORDS = re.compile(
    r"\b([1-9][0-9]{0,5})[ -](?:words?|wörter[n]?|mots|palabras|parole)\b", re.IGNORECASE
)
_MOVED = "[This text is part of the one below.]"
_GAP = re.compile(r"\n\s*\n")


_Text: TypeAlias = tuple[int, int | None, str]
"""By message, and by part of its content where that is a list."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A conversation with its document found: `text[start:end]` of one of its texts."""

    messages: tuple[Message, ...]
    place: int  # of the message
    part: int | None  # of its content, where that is a list
    text: str
    start: int
    end: int
    task: str

    @property
    def document(self) -> str:
        return self.text[self.start : self.end]

    def with_material(self, material: str) -> tuple[Message, ...]:
        """The conversation, in which this stands where the document was."""
        said = "\n\n".join(
            piece
            for piece in (self.text[: self.start].strip(), material, self.text[self.end :].strip())
            if piece
        )
        message = self.messages[self.place]
        content: Any = said
        if self.part is not None:
            content = list(message["content"])
            content[self.part] = {**content[self.part], "text": said}
        changed: Message = {**message, "content": content}
        return (*self.messages[: self.place], changed, *self.messages[self.place + 1 :])


def apart(messages: Sequence[Message]) -> Apart | None:
    """None where no user said anything."""
    texts = list(_texts(messages))
    if not texts:
        return None
    longest = max(texts, key=_length)
    last = max(each[0] for each in texts)
    beside = [each for each in texts if each[0] == last and each is not longest]
    material = [each for each in beside if _length(each) > LONGEST_TASK]
    shortest = min(beside, key=_length, default=None)
    if shortest in material and _length(shortest) <= _LONGEST_BESIDE:
        material.remove(shortest)
    asked = "\n\n".join(each[2] for each in beside if each not in material).strip()
    joint = [each for each in texts if each is longest or each in material]
    place, part, _ = joint[-1]
    text = "\n\n".join(each[2] for each in joint)
    start, end, task = 0, len(text), asked
    if not asked:
        said = _within(joint[-1][2])
        start, end, task = (0, len(text), said[2]) if material else said
    messages = _joined(messages, joint) if material else messages
    number = part and part - sum(each[0] == place for each in joint[:-1])
    return Apart(tuple(messages), place, number, text, start, end, task or SUMMARISE)


def pointed(task: str) -> bool:
    """Whether it is a question that some place of a text may answer, not only the whole of it."""
    if _SUMMARY.search(task) or _EVERYWHERE.search(task):
        return False
    return task.rstrip().endswith("?") or _QUESTION.match(task) is not None


def summarising(task: str) -> bool:
    """Whether a shorter text of the same content is wanted."""
    return _SUMMARY.search(task) is not None or task == SUMMARISE


def words_of(task: str) -> int:
    """How many words of a summary a task asks for."""
    found = _WORDS.search(task)
    return min(int(found[1]), _MOST_WORDS) if found else USUAL_WORDS


def _length(text: _Text) -> int:
    return len(text[2])


def _joined(messages: Sequence[Message], joint: Sequence[_Text]) -> list[Message]:
    """The conversation in which the last of these texts stands for all of them."""
    *moved, (last, _, _) = joint
    changed = list(messages)
    for place, part, _ in reversed(moved):
        message = changed[place]
        content: Any = _MOVED
        if part is not None:
            content = list(message["content"])
            content[part : part + 1] = [] if place == last else [{"type": "text", "text": _MOVED}]
        changed[place] = {**message, "content": content}
    return changed


def _texts(messages: Sequence[Message]) -> Iterator[_Text]:
    """Every text of a user, by message and part."""
    for place, message in enumerate(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield place, None, content
        elif isinstance(content, list):
            for number, part in enumerate(content):
                if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                    yield place, number, part["text"]


def _within(text: str) -> tuple[int, int, str]:
    """Where in a text the document is, and what the rest of it asks."""
    if opened := _OPENED.search(text):
        # One after another: an expression for both would be slow where many are opened.
        closing = re.compile(f"</{opened[1]}>", re.IGNORECASE)
        for closed in deque(closing.finditer(text, opened.end()), maxlen=1):
            rest = f"{text[: opened.start()].strip()}\n\n{text[closed.end() :].strip()}".strip()
            if rest:
                return opened.end(), closed.start(), rest
    start, end, asked = 0, len(text), []
    first = _GAP.search(text)
    if first and _asks(head := text[: first.start()].strip()):
        start = first.end()
        asked.append(head)
    last = text.rfind("\n\n", start)
    if last > start and _asks(tail := text[last:].strip()):
        end = last
        asked.append(tail)
    return start, end, "\n\n".join(asked)


def _asks(paragraph: str) -> bool:
    """Whether a paragraph reads like a request."""
    if not 0 < len(paragraph) <= LONGEST_TASK:
        return False
    if paragraph.endswith("?"):
        return len(paragraph) <= _SHORT_QUESTION or _QUESTION.match(paragraph) is not None
    return _ASKS.match(paragraph) is not None
