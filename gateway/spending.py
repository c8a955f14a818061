"""What an answer used that took several calls: each call's share, and their sum."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from context.tokens import Counter
from context.types import Prompt
from gateway.errors import StructuredOutputInvalid
from gateway.messages import text_of
from gateway.sizes import tokens_of
from gateway.tracing.trace import Span
from gateway.types import Done, Spent, Usage


async def share(model: str, told: Usage, prompt: Prompt, text: str, count: Counter) -> Spent:
    """One call's share; counted here where its provider has not said."""
    if told.total:
        return Spent(model, told)
    # The first count loads a vocabulary, and prompts may be long.
    return Spent(model, await asyncio.to_thread(_counted, prompt, text, count))


def broken_off(span: Span, prompt: Prompt) -> Spent | None:
    """What a call has used that was cancelled: what was asked by then has been read."""
    attempts = span.attributes.get("attempts", ())
    if not attempts or attempts[-1]["error"] not in ("cancelled", None):
        return None
    read = tokens_of(prompt.messages)
    return Spent(attempts[-1]["model"], Usage(read, estimated=True))


def unpaid(error: BaseException) -> tuple[Spent, ...]:
    """What calls have used that came to nothing. Told once: whoever asks pays for it."""
    if not isinstance(error, StructuredOutputInvalid):
        return ()
    spent, error.spent = error.spent, ()
    return spent


def _counted(prompt: Prompt, text: str, count: Counter) -> Usage:
    asked = prompt.tokens.get("total") or sum(
        count(text_of(message.get("content"))) for message in prompt.messages
    )
    return Usage(asked, count(text), estimated=True)


def together(done: Done, spent: Sequence[Spent]) -> Done:
    """The end of an answer that several calls made: `usage` is their sum."""
    usages = [each.usage for each in spent]
    whole = Usage(
        prompt=sum(usage.prompt for usage in usages),
        completion=sum(usage.completion for usage in usages),
        cached=sum(usage.cached for usage in usages),
        reasoning=sum(usage.reasoning for usage in usages),
        estimated=any(usage.estimated for usage in usages),
    )
    return replace(done, usage=whole, spent=tuple(spent))
