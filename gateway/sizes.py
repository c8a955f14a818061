"""How large a request and its answer are, near enough, before anything is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.messages import size_of
from gateway.types import Ask

CHARACTERS_PER_TOKEN = 4
USUAL_ANSWER = 250  # tokens, to compare models by
RESERVED_ANSWER = 512  # tokens that an answer without a bound is given at the door


def tokens_of(messages: Sequence[Mapping[str, Any]]) -> int:
    """Of all texts, estimated."""
    return size_of(messages) // CHARACTERS_PER_TOKEN


def most_tokens_of_answer(ask: Ask) -> int | None:
    """The bound that the request sets."""
    bound: int | None = ask.params.get("max_completion_tokens") or ask.params.get("max_tokens")
    return bound
