"""Where OpenAI's messages keep their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import InvalidRequest


def question_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last user message."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return ""


def refuse_number(messages: Sequence[Mapping[str, Any]], most: int) -> None:
    """Raises InvalidRequest where there are more."""
    if len(messages) > most:
        raise InvalidRequest(
            f"{len(messages)} messages are too many; up to {most} are taken (server.max_messages).",
            param="messages",
        )


def size_of(messages: Sequence[Mapping[str, Any]]) -> int:
    """Characters of all texts."""
    size = 0
    for message in messages:  # on the way of every request, several times
        content = message.get("content")
        size += len(content if isinstance(content, str) else text_of(content))
    return size


def text_of(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(p["text"] for p in content if isinstance(p.get("text"), str))
    return ""
