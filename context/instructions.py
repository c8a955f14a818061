"""Instructions that are added to those of a list of messages, at their beginning or at their end.

They stay one message, since some models take a single one, at the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from context.history import INSTRUCTING
from context.types import Message


def beginning(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The messages with this before their instructions."""
    if not _leading(messages):
        return ({"role": "system", "content": text}, *messages)
    first, *others = messages
    return ({**first, "content": _joined(text, first.get("content"))}, *others)


def ending(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The messages with this after their instructions."""
    before, after = parted(messages)
    if not before:
        return ({"role": "system", "content": text}, *after)
    *others, last = before
    return (*others, {**last, "content": _joined(last.get("content"), text)}, *after)


def parted(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """The instructions at the front, and the rest."""
    leading = _leading(messages)
    return messages[:leading], messages[leading:]


def _leading(messages: Sequence[Message]) -> int:
    return len(list(takewhile(lambda message: message.get("role") in INSTRUCTING, messages)))


def _joined(one: Any, other: Any) -> Any:
    """Two contents as one; where either is a list of parts, so is the whole."""
    if isinstance(one, list) or isinstance(other, list):
        return [*_parts(one), *_parts(other)]
    return "\n\n".join(filter(None, (one, other)))


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []
