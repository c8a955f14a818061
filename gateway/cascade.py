"""A cheap answer first, and a stronger model's where that one is doubtful.

It stands around all else that begins answers, and looks only at plans that have a `stronger` one.
The cheap answer is held until it is judged, so that a stream begins with a whole answer or with
the stronger model's first word; what was not told is paid for beside what was.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from context.tokens import Counter
from context.types import NOT_IN_DOCUMENTS, Prompt
from gateway.asides import Spend
from gateway.dispatch import Begun, another_call
from gateway.errors import GatewayError, ProviderError, StructuredOutputInvalid
from gateway.fitting import Fitting
from gateway.judging import faithfulness_of
from gateway.refusals import refuses
from gateway.spending import broken_off, share, unpaid
from gateway.streams import Choice, Collected, collect, retold
from gateway.tracing.trace import Span
from gateway.types import Ask, Done, Spent
from retrieval import words
from routing.config import CascadeConfig
from routing.types import Plan, Target

FOR_THE_CHEAPER = 0.5  # of the time that is left, the rest of which a stronger model needs
CONFIDENCE = "logprobs"


class SpendingStarter(Protocol):
    """What begins answers and is told of what others cost."""

    def start(
        self, prompt: Prompt, plan: Plan, ask: Ask, span: Span, spend: Spend
    ) -> Coroutine[Any, Any, Begun]: ...


class Cascade:
    """A starter that tries a plan's models from the cheapest on."""

    def __init__(
        self, starter: SpendingStarter, config: CascadeConfig, fitting: Fitting, count: Counter
    ) -> None:
        self._starter = starter
        self._config = config
        self._fitting = fitting
        self._count = count

    def start(
        self, prompt: Prompt, plan: Plan, ask: Ask, span: Span, spend: Spend
    ) -> Coroutine[Any, Any, Begun]:
        """See Starter."""
        if plan.stronger is None or ask.n > 1:
            return self._starter.start(prompt, plan, ask, span, spend)
        return self._tried(_Request(prompt, ask, span), plan, plan.stronger, spend)

    async def _tried(self, request: _Request, plan: Plan, above: Plan, spend: Spend) -> Begun:
        """The plan's answer where nothing speaks against it, or that of the plan above."""
        try:
            begun, whole = await self._whole(request, plan, spend)
        except (ProviderError, TimeoutError) as error:
            request.note(plan.targets[0].name, _why(error))
            return await self._stronger(request, above, spend)
        doubt = await asyncio.to_thread(self._doubt, whole, request.prompt)
        request.note(begun.target.name, doubt)
        spent = await self._spent(begun, whole, request.prompt)
        held = replace(begun, events=retold(_as_asked(whole, request.ask)))
        better = _beyond(above, begun.target)
        if not doubt or better is None:
            return held
        paid = spent
        try:
            return await self._stronger(request, better, spend)
        except GatewayError as error:
            request.note(better.targets[0].name, error.message)
            paid = unpaid(error)  # the other is the answer itself
            return replace(held, fallback=True)
        finally:
            for each in paid:
                spend(each)

    def _stronger(self, request: _Request, plan: Plan, spend: Spend) -> Coroutine[Any, Any, Begun]:
        if plan.stronger is None:
            return request.told(self._starter, plan, spend)
        return self._tried(request, plan, plan.stronger, spend)

    async def _whole(self, request: _Request, plan: Plan, spend: Spend) -> tuple[Begun, Collected]:
        """A whole answer that nobody has been told yet."""
        ask = request.ask.unseen(request.ask.params)
        if self._config.min_confidence is not None and CONFIDENCE not in ask.params:
            sure = replace(ask, params={**ask.params, CONFIDENCE: True})
            lacking = self._fitting.lacking(sure)
            if not any(CONFIDENCE in lacking(target) for target in plan.groups[0].targets):
                ask = sure
        begun: Begun | None = None
        try:
            async with asyncio.timeout(request.patience()):
                begun = await replace(request, ask=ask).told(self._starter, plan, spend)
                return begun, await collect(begun.events)
        except BaseException as error:
            spent = unpaid(error)
            # A strategy pays itself for what is broken off before its answer has begun.
            if not spent and (begun or not (ask.strategy or plan.strategy)):
                cut = broken_off(request.span, request.prompt)
                spent = (cut,) if cut else ()
            for each in spent:
                spend(each)
            raise

    def _doubt(self, whole: Collected, prompt: Prompt) -> str:
        """What speaks against an answer; nothing where a tool is called."""
        config, choice = self._config, whole.choices.get(0, Choice())
        if choice.fields.get("tool_calls"):
            return ""
        text = choice.text.strip()
        if choice.fields.get("refusal") or choice.finish == "content_filter":
            return "it is refused"
        if max(len(text.split()), words.length(text)) < config.min_words:
            return f"it is shorter than {config.min_words} words"
        if text.startswith(NOT_IN_DOCUMENTS):
            return "it finds nothing in the documents"
        if refuses(text):
            return "it refuses"
        backed = faithfulness_of(prompt, text) if prompt.sources else None
        if backed is not None and backed < config.min_faithfulness:
            return f"its faithfulness is {backed:.2f}"
        sure = confidence(choice)
        if config.min_confidence is not None and sure is not None and sure < config.min_confidence:
            return f"its confidence is {sure:.2f}"
        return ""

    async def _spent(self, begun: Begun, whole: Collected, prompt: Prompt) -> tuple[Spent, ...]:
        done = whole.done or Done()
        if done.spent:
            return done.spent
        return (await share(begun.target.name, done.usage, prompt, whole.text, self._count),)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked, and since when."""

    prompt: Prompt
    ask: Ask
    span: Span
    since: int = field(default_factory=time.perf_counter_ns)

    async def told(self, starter: SpendingStarter, plan: Plan, spend: Spend) -> Begun:
        """One plan's answer; its calls are noted beside those of the others."""
        began = self.span.start + time.perf_counter_ns() - self.since
        with another_call(self.span, "dispatch", began) as span:
            return await starter.start(self.prompt, plan, self.ask, span, spend)

    def patience(self) -> float | None:
        """Seconds that a held answer may take."""
        if self.ask.deadline is None:
            return None
        now = self.span.start + time.perf_counter_ns() - self.since
        return max(self.ask.deadline - now / 1e9, 0.0) * FOR_THE_CHEAPER

    def note(self, model: str, doubt: str) -> None:
        tried = self.span.attributes.setdefault("cascade", [])
        tried.append({"model": model, "doubt": doubt or None})


def confidence(choice: Choice) -> float | None:
    """The geometric mean of the tokens' probabilities, where the provider tells them."""
    told = choice.extra.get(CONFIDENCE)
    tokens = told.get("content") if isinstance(told, Mapping) else None
    known = [each["logprob"] for each in tokens or () if isinstance(each.get("logprob"), float)]
    return math.exp(sum(known) / len(known)) if known else None


def _why(error: ProviderError | TimeoutError) -> str:
    match error:
        case StructuredOutputInvalid():
            return "it has not the form that was asked for"
        case ProviderError():
            return error.message
    return "it took half of the time that the request allows"


def _as_asked(whole: Collected, ask: Ask) -> Collected:
    """Without the probabilities that nobody but the cascade wanted."""
    if CONFIDENCE not in ask.params:
        for choice in whole.choices.values():
            choice.extra.pop(CONFIDENCE, None)
    return whole


def _beyond(plan: Plan | None, target: Target) -> Plan | None:
    """The next plan that does not lead to a target again."""
    while plan is not None and target in plan.targets:
        plan = plan.stronger
    return plan
