"""The strategy that a request or its route asks for, around whatever else begins answers."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from context.types import Prompt
from gateway.asides import Spend, Unsaid
from gateway.dispatch import Begun
from gateway.errors import InvalidRequest
from gateway.strategies.run import Means, Run
from gateway.strategies.ways import WAYS
from gateway.tracing.trace import Span
from gateway.types import Ask
from routing.types import Plan, Strategy

PARAM = "moorline.strategy"


class Strategies:
    """A starter of answers that may take several calls."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def start(
        self, prompt: Prompt, plan: Plan, ask: Ask, span: Span, spend: Spend
    ) -> Coroutine[Any, Any, Begun]:
        """See Starter; `spend` is told of every call but the answer's own."""
        if ask.strategy is None and plan.strategy is None:
            return self._means.starter.start(prompt, plan, ask, span)
        return self._started(prompt, plan, ask, span, spend)

    async def _started(
        self, prompt: Prompt, plan: Plan, ask: Ask, span: Span, spend: Spend
    ) -> Begun:
        name = ask.strategy or plan.strategy
        assert name is not None
        if why := self._unable(name, ask):
            if ask.strategy:
                raise InvalidRequest(why, param=PARAM)
            span.set(strategy={"name": name, "why": why})  # a rule's is only meant where it can be
            return await self._means.starter.start(prompt, plan, ask, span)
        run = Run(self._means, name, prompt, plan, ask, span)
        try:
            return await WAYS[name](run)
        except Unsaid as error:
            run.note(why=f"{error}: answered by one call.")
            return await run.told("answer")
        finally:
            for each in run.spent:
                spend(each)

    def _unable(self, name: Strategy, ask: Ask) -> str | None:
        """Why this request cannot be answered so."""
        if ask.strategy and name not in self._means.config.allowed:
            return f"'{name}' is not allowed here (strategies.allowed)."
        if not ask.in_words:
            return f"'{name}' makes one answer in words: it goes with neither 'n' nor tools."
        return None
