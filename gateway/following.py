"""A follow-up question made stand-alone, for the cache and the index that are searched by it.

The model reads the messages as they were sent; only what is embedded and looked for is completed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from gateway.messages import text_of
from gateway.tracing.trace import Trace
from gateway.types import Ask
from retrieval.questions.follow_ups import Turn, stand_alone


def followed(ask: Ask, trace: Trace) -> Ask:
    """The same with a question that needs no earlier one; the trace shows it where it differs."""
    if len(ask.messages) < 2:
        return ask
    question = stand_alone(ask.question, list(turns(ask.messages)))
    if question == ask.question:
        return ask
    with trace.span("follow") as span:
        span.set(query=question)
    return replace(ask, question=question)


def turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[Turn]:
    """The user's questions before the last, each with what was answered."""
    said = [(each.get("role"), text_of(each.get("content"))) for each in messages]
    asked = [place for place, (role, _) in enumerate(said) if role == "user"]
    for place, following in pairwise(asked):
        answers = (text for role, text in said[place + 1 : following] if role == "assistant")
        yield Turn(said[place][1], next(answers, ""))
