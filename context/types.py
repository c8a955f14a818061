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
    """The input alone does not fit the model's window; carries both counts, in tokens."""

    def __init__(self, tokens: int, window: int) -> None:
        super().__init__(f"The input has {tokens} tokens; the model takes {window}.")
        self.tokens = tokens
        self.window = window


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as the model sees it and the answer cites it: number n is written `[n]`."""

    number: int
    hit: Hit


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to a model."""

    messages: tuple[Message, ...]
    sources: tuple[Source, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict)  # per part: system, history, …
    question: str = ""
    whole: bool = False  # the sources are the answer: all of them, in their order
    said: str = ""  # the beginning of the answer, where another model was cut off
