"""How many tokens a text has, and a chat, as the model counts that reads it.

By the model's own tokenizer where it is on this machine, else by an estimate that says how far it
may be off. What is in a vocabulary is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from context import tokenizer_files, vocabularies
from context.families import OPENAI, UNKNOWN, Frame, family_of
from context.vocabularies import O200K

Counter: TypeAlias = Callable[[str], int]

PER_MESSAGE, PER_REPLY = OPENAI.message, OPENAI.reply
PER_IMAGE = 1_445  # the largest that one image costs in high detail
_PER_SMALL_IMAGE = 85

_REMEMBERED = 4_096
_WORTH_REMEMBERING = 5_000  # characters: a passage or a system text, not a whole document


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Counts as one model does."""

    name: str
    count: Counter
    error: float = 0  # of an estimate, either way: 95 of 100 texts are within
    frame: Frame = OPENAI

    def __call__(self, text: str) -> int:
        return self.count(text)

    @property
    def exact(self) -> bool:
        return not self.error


def counter(model: str = "", file: Path | None = None) -> Tokenizer:
    """What counts tokens as `model` does, by its own tokenizer's file where that is given. The
    first count loads it (`warm`), and raises VocabularyMissing or BadTokenizer."""
    return _counter(model, file)


@cache
def _counter(model: str, file: Path | None) -> Tokenizer:
    family = family_of(model) if model else None
    frame = family.frame if family else OPENAI
    if file:
        return Tokenizer(file.name, _remembering(tokenizer_files.counting(file)), 0, frame)
    if not model:
        return _of_vocabulary(O200K, OPENAI)
    if family and family.vocabulary:
        return _of_vocabulary(family.vocabulary, family.frame)
    family = family or UNKNOWN
    count = _remembering(family.estimate)
    return Tokenizer(f"{family.name}, estimated", count, family.error, family.frame)


@cache
def _of_vocabulary(name: str, frame: Frame) -> Tokenizer:
    return Tokenizer(name, _remembering(lambda text: vocabularies.tokens_in(text, name)), 0, frame)


def _remembering(count: Counter) -> Counter:
    """The same, which counts a passage once however often it is found."""
    remembered = lru_cache(maxsize=_REMEMBERED)(count)

    def counted(text: str) -> int:
        return remembered(text) if len(text) <= _WORTH_REMEMBERING else count(text)

    return counted


def widest(tokenizers: Iterable[Tokenizer]) -> Tokenizer:
    """Counts as many tokens as any of these do: what fits by it fits all."""
    distinct = tuple(dict.fromkeys(tokenizers))
    if len(distinct) == 1:
        return distinct[0]
    return Tokenizer(
        " / ".join(each.name for each in distinct),
        lambda text: max(each.count(text) for each in distinct),
        max(each.error for each in distinct),
        Frame(
            max(each.frame.message for each in distinct), max(each.frame.reply for each in distinct)
        ),
    )


def warm() -> None:
    """Load the usual vocabulary now (0.2 s): call it in a thread. Raises VocabularyMissing."""
    vocabularies.loaded(O200K)


def message_tokens(message: Mapping[str, Any], tokenizer: Tokenizer) -> int:
    """Tokens of one chat message, tool calls and images included."""
    return _message_tokens(message, tokenizer.count, tokenizer.frame)


def messages_tokens(messages: Sequence[Mapping[str, Any]], tokenizer: Tokenizer) -> int:
    """Tokens of a conversation as a prompt."""
    return tokenizer.frame.reply + sum(message_tokens(each, tokenizer) for each in messages)


def most_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """More tokens than these messages can have, found without counting: a token is a byte or
    more, and what is no text counts as an image at most."""
    most = _LARGEST.reply
    for message in messages:  # on the way of every request, where most have a role and a text
        content = message.get("content")
        if isinstance(content, str) and len(message) == 2:
            most += _LARGEST.message + _bytes(content)
        else:
            most += _message_tokens(message, _bytes, _LARGEST)
    return most


_LARGEST = Frame(8, 40)  # no template that is known adds more


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _message_tokens(message: Mapping[str, Any], count: Counter, frame: Frame) -> int:
    total = frame.message + _content_tokens(message.get("content"), count)
    for key in ("tool_calls", "function_call", "name", "refusal", "tool_call_id"):
        if value := message.get(key):
            total += count(value if isinstance(value, str) else orjson.dumps(value).decode())
    return total


def _content_tokens(content: Any, count: Counter) -> int:
    if isinstance(content, str):
        return count(content)
    if not isinstance(content, list):
        return 0
    return sum(_part_tokens(part, count) for part in content)


def _part_tokens(part: Any, count: Counter) -> int:
    match part:
        case {"text": str(text)}:
            return count(text)
        case {"image_url": {"detail": "low"}}:
            return _PER_SMALL_IMAGE
    return PER_IMAGE
