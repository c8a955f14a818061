"""A question that the gateway itself puts to a model, for the sake of a request.

It goes the way of any other (breakers, retries, fallbacks), within a time of its own. What it costs
is the request's: it stands in the trace and is told to whoever keeps its account. What comes back
is text that a stranger may have had a hand in; it never goes into a prompt.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from context.tokens import Counter
from context.types import Prompt
from gateway.config import ConfigError
from gateway.dispatch import Dispatcher
from gateway.errors import GatewayError
from gateway.providers.prices import Prices
from gateway.sizes import CHARACTERS_PER_TOKEN
from gateway.spending import broken_off, share
from gateway.streams import collect
from gateway.tracing.trace import Span, Trace
from gateway.types import Ask, Spent, Usage
from routing.catalogue import Catalogue, NoSuchModel
from routing.types import Plan

DECIMALS = 12  # of a dollar

Spend: TypeAlias = Callable[[Spent], None]
"""Told what a call of the request has used, beside its answer."""

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_NUMBER = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.):])\s+")


class Unsaid(Exception):
    """Nothing came that can be used; the message says why, for a trace."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What is asked of which model."""

    model: str
    instructions: str
    text: str
    most_tokens: int
    time_ms: float
    within: tuple[str, ...] = ()  # regions that the text must not leave

    @property
    def most(self) -> Usage:
        """What it may use, near enough."""
        prompt = (len(self.instructions) + len(self.text)) // CHARACTERS_PER_TOKEN
        return Usage(prompt, self.most_tokens, estimated=True)


class Asides:
    """Asks models by way of the dispatcher."""

    def __init__(
        self, dispatcher: Dispatcher, catalogue: Catalogue, prices: Prices, count: Counter
    ) -> None:
        self._dispatcher = dispatcher
        self._catalogue = catalogue
        self._prices = prices
        self._count = count

    def check(self, setting: str, model: str) -> None:
        """Raises ConfigError for a model that is not configured, and for adapters: who asks may
        have none of that name."""
        try:
            if self._catalogue.adapters(model):
                raise ConfigError(f"`{setting}`: {model!r} leads to an adapter; name a model.")
        except NoSuchModel:
            known = ", ".join(self._catalogue.models())
            raise ConfigError(f"`{setting}`: no model {model!r}; there are {known}.") from None

    async def said(self, aside: Aside, span: Span, spend: Spend) -> str:
        """What the model says. Raises Unsaid."""
        prompt = Prompt(
            (
                {"role": "system", "content": aside.instructions},
                {"role": "user", "content": aside.text},
            )
        )
        try:
            async with asyncio.timeout(aside.time_ms / 1000):
                text, spent = await self._asked(aside, prompt, span)
        except TimeoutError:
            self._cut(prompt, span, spend)
            raise Unsaid(f"{aside.model} took longer than {aside.time_ms:g} ms") from None
        except asyncio.CancelledError:
            self._cut(prompt, span, spend)
            raise
        except GatewayError as error:
            raise Unsaid(f"{aside.model} did not answer: {error.message}") from error
        self._spent(spent, span, spend)
        return text

    async def _asked(self, aside: Aside, prompt: Prompt, span: Span) -> tuple[str, Spent]:
        params = {"max_tokens": aside.most_tokens, "temperature": 0}
        ask = Ask(aside.model, prompt.messages, "", params)
        groups = self._catalogue.groups(aside.model)
        plan = Plan(tuple(groups), "aside").staying(aside.within)
        if not plan.targets:
            raise Unsaid(f"{aside.model} does not run in {' and '.join(aside.within)}")
        begun = await self._dispatcher.start(prompt, plan, ask, span)
        whole = await collect(begun.events)
        usage = whole.done.usage if whole.done else Usage()
        return whole.text, await share(begun.target.name, usage, prompt, whole.text, self._count)

    def _cut(self, prompt: Prompt, span: Span, spend: Spend) -> None:
        """What was asked when it was broken off has been read, and so is to be paid for."""
        if spent := broken_off(span, prompt):
            self._spent(spent, span, spend)

    def _spent(self, spent: Spent, span: Span, spend: Spend) -> None:
        cost = round(self._prices.cost(spent.model, spent.usage), DECIMALS)
        tokens = {"prompt": spent.usage.prompt, "completion": spent.usage.completion}
        span.set(model=spent.model, tokens=tokens, cost_usd=cost)
        spend(spent)


def patience(time_ms: float, deadline: float | None, trace: Trace) -> float:
    """Milliseconds that an aside may take: half of what the caller leaves is for the answer."""
    if deadline is None:
        return time_ms
    left = max(deadline - trace.elapsed / 1e9, 0.0)
    return min(time_ms, left * 500)


def lines_of(text: str, longest: int) -> list[str]:
    """The lines of a list that a model wrote, without their numbers, each once."""
    lines = (one_line(_NUMBER.sub("", line.strip()), longest) for line in text.split("\n"))
    return list(dict.fromkeys(filter(None, lines)))


def one_line(text: str, longest: int) -> str:
    """A text as a search takes it: a line of so many characters, with nothing hidden in it."""
    return _BLANK.sub(" ", text).strip()[:longest].rstrip()
