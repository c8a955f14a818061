"""A follow-up question made stand-alone, for the cache and the index that are searched by it.

The model that answers reads the messages as they were sent; only what is embedded and looked for is
completed: by rules, or by a model that is asked for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from context.prompts.template import Template
from context.quoting import quoted
from gateway.asides import Aside, Asides, Spend, Unsaid, one_line, patience
from gateway.config import FollowUpModel
from gateway.messages import text_of
from gateway.tracing.trace import Trace
from gateway.types import Ask, Spent
from retrieval.questions.follow_ups import Turn, stand_alone

LONGEST = 400  # characters of a question that a model has made
SHOWN_TURNS, SHOWN_QUESTION, SHOWN_ANSWER = 4, 500, 800  # characters of each
MOST_TOKENS = 100


class Following:
    """A model makes questions stand-alone; the rules do where it does not."""

    def __init__(self, config: FollowUpModel, asides: Asides, told: Template) -> None:
        asides.check("grounding.follow_ups.model", config.model)
        self._config = config
        self._asides = asides
        self._told = told

    @property
    def most(self) -> Spent:
        """What one call may use, near enough to be reserved."""
        longest = Turn("?" * SHOWN_QUESTION, "?" * SHOWN_ANSWER)
        turns = [longest] * SHOWN_TURNS
        aside = self._aside("?" * SHOWN_QUESTION, turns, self._config.time_ms)
        return Spent(self._config.model, aside.most)

    async def followed(self, ask: Ask, trace: Trace, spend: Spend) -> Ask:
        """See the function of that name."""
        earlier = list(turns(ask.messages)) if len(ask.messages) > 1 else []
        if not earlier or not ask.question.strip():
            return ask
        time_ms = patience(self._config.time_ms, ask.deadline, trace)
        aside = self._aside(ask.question, earlier, time_ms)
        with trace.span("follow.model") as span:
            span.set(instructions=self._told.id)
            try:
                said = await self._asides.said(replace(aside, within=ask.within), span, spend)
                question = one_line(said, LONGEST)
                if not question:
                    raise Unsaid(f"{self._config.model} wrote nothing")
            except Unsaid as error:
                span.set(notes=[f"{error}: the rules are followed."])
                question = ""
            else:
                span.set(query=question)
        return replace(ask, question=question) if question else followed(ask, trace)

    def _aside(self, question: str, earlier: Sequence[Turn], time_ms: float) -> Aside:
        said = "\n".join(
            f"User: {one_line(turn.question, SHOWN_QUESTION)}\n"
            f"Assistant: {one_line(turn.answer, SHOWN_ANSWER)}"
            for turn in earlier[-SHOWN_TURNS:]
        )
        asked = one_line(question, SHOWN_QUESTION)
        text = f"{quoted('conversation', said)}\n{quoted('question', asked)}"
        return Aside(self._config.model, self._told.render(), text, MOST_TOKENS, time_ms)


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
