"""Messages, sources and the prompt that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from retrieval.types import Hit

Message: TypeAlias = Mapping[str, Any]
"""A chat message exactly as the client sent it: OpenAI's shape, unknown fields kept."""


NOT_IN_DOCUMENTS = "The documents do not answer this question."
"""What a grounded answer says, word for word, when nothing in the documents answers."""


class PromptTooLong(Exception):
    """The input alone does not fit the model's window; says what it is made of, in tokens."""

    def __init__(self, parts: Mapping[str, int], window: int, kept: int) -> None:
        self.parts, self.window = parts, window
        self.tokens = sum(parts.values())
        self.room = max(0, window - kept)
        made_of = ", ".join(f"{name} {number}" for name, number in parts.items() if number)
        super().__init__(
            f"The input has {self.tokens} tokens ({made_of}); the model's window has {window}, of "
            f"which {kept} are kept for the answer and as a margin. Shorten it, ask a model with a "
            "larger window, or store a long text as a document and ask about it."
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as the model sees it and the answer cites it: number n is written `[n]`."""

    number: int
    hit: Hit
    shortened: bool = False  # whether the passage's text is what bears on the question alone


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for the first turns of a conversation."""

    text: str
    turns: int


NO_PARTS = frozenset({"total", "answer", "window"})
"""What stands beside the parts in a prompt's counts."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to a model."""

    messages: tuple[Message, ...]
    sources: tuple[Source, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Per part: system, history, sources, question, tools, form; `total` is their sum. Beside it
    `answer`, what is kept for it, and `window`. Empty where nothing had to be counted."""
    question: str = ""
    whole: bool = False  # the sources are the answer: all of them, in their order
    said: str = ""  # the beginning of the answer, where another model was cut off
    left_out: int = 0  # turns that did not fit
