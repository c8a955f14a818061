"""Walk a plan's groups until a deployment has begun to answer.

The first content is the point of no return: before it a failure is handed to the next deployment of
the group at once, tried again after a wait, and then handed to the next group; after it the stream
has the client's eyes on it, and a failure ends it there. Which deployment, whether and when again
is decided in `routing`; how deployments are doing is known in gateway.deployments.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from context.types import Prompt
from gateway.config import DispatchConfig
from gateway.deployments import CALLERS_FAULT, Clock, Deployment, Deployments
from gateway.errors import (
    InvalidRequest,
    NoModelAvailable,
    PromptTooLong,
    ProviderError,
    ProviderTimeout,
    WindowExceeded,
)
from gateway.fitting import NOTHING_TO_FIT, Fitting
from gateway.messages import size_of
from gateway.providers.base import Call, Provider
from gateway.tracing.trace import Span
from gateway.types import Ask, Events
from routing.balance import chosen
from routing.retry import RetryBudget, wait_before
from routing.types import Group, Plan, Target

CHARACTERS_PER_TOKEN = 4
LEFT_FOR_OTHERS = 0.05  # of a deadline, for what answers when no model does
KNOWN_WELL = 20  # answers before a quantile of theirs is believed


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun, and who gives it."""

    events: Events
    target: Target
    fallback: bool = False  # a group below the plan's first answered


@dataclass(slots=True)
class Errand:
    """One request on its way through a plan."""

    prompt: Prompt
    ask: Ask
    span: Span
    params: Mapping[str, Any]
    attempts: list[dict[str, Any]]  # calls of models, in the order in which they ended
    give_up_at: float | None = None  # monotonic seconds
    hopeless: set[str] = field(default_factory=set)  # whose failure stays
    soonest: float | None = None  # seconds until one that was passed over may be asked

    def passed_over(self, deployment: Deployment, why: str, wait: float | None) -> None:
        """A deployment that was not asked."""
        skipped = self.span.attributes.setdefault("passed_over", [])
        skipped.append({"model": deployment.target.name, "why": why})
        self.again_in(wait)

    def again_in(self, wait: float | None) -> None:
        """Something may answer after so many seconds."""
        if wait is not None:
            self.soonest = wait if self.soonest is None else min(self.soonest, wait)

    def tokens(self, deployment: Deployment) -> float:
        """How large the request is, where it matters: the prompt, and the answer that is allowed
        to it."""
        if not deployment.counts_tokens:
            return 0.0
        prompt = self.prompt.tokens.get("total") or (
            size_of(self.prompt.messages) // CHARACTERS_PER_TOKEN
        )
        return prompt + (
            self.params.get("max_completion_tokens") or self.params.get("max_tokens") or 0
        )


class Dispatcher:
    """Holds the providers by name and calls them."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        config: DispatchConfig,
        fitting: Fitting = NOTHING_TO_FIT,
        deployments: Deployments | None = None,
        *,
        longest: float = 600.0,
        now: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self.deployments = deployments or Deployments(now)
        self._providers = providers
        self._config = config
        self._fitting = fitting
        self._longest = longest  # seconds from a request's arrival, whatever it asks for
        self._now = now
        self._sleep = sleep
        self._random = chance or random.Random()
        self._hedges = RetryBudget(config.hedge.max_share, 0.0)

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        """The first deployment that answers. Raises InvalidRequest, PromptTooLong,
        NoModelAvailable, or ProviderTimeout where the caller's deadline comes first."""
        plan = self._fitting.able(ask, plan, span)
        params = {**ask.params, "n": ask.n} if ask.n > 1 else ask.params
        errand = Errand(prompt, ask, span, params, [])
        span.attributes["attempts"] = errand.attempts
        if ask.deadline is None:
            return await self._walked(plan, errand)
        left = ask.deadline * (1 - LEFT_FOR_OTHERS) - span.start / 1e9
        errand.give_up_at = self._now() + left
        try:
            async with asyncio.timeout(left):
                return await self._walked(plan, errand)
        except TimeoutError:
            raise ProviderTimeout(
                f"No model began to answer within the {ask.deadline:g} s that the request allows."
            ) from None

    async def resume(
        self, prompt: Prompt, plan: Plan, ask: Ask, after: Target, span: Span
    ) -> Begun:
        """The first of the targets below `after` that answers; raises what `start` raises.

        For whoever goes on with an answer that `after` broke off."""
        rest = plan.after(after)
        if not rest.targets:
            raise NoModelAvailable(f"No other model is left after {after.name}.")
        return replace(await self.start(prompt, rest, ask, span), fallback=True)

    async def _walked(self, plan: Plan, errand: Errand) -> Begun:
        last: ProviderError | None = None
        for place, group in enumerate(plan.groups, 1):
            try:
                events, target = await self._group(group, errand, place == len(plan.groups))
                return Begun(events, target, place > 1)
            except ProviderError as error:
                last = error  # of WindowExceeded, too: another model may have a larger window
        if isinstance(last, WindowExceeded):
            raise PromptTooLong(last.message, param="messages") from last
        if last:
            errand.again_in(last.retry_after)
        raise NoModelAvailable(
            f"No model answered. Tried {', '.join(t.name for t in plan.targets)}; "
            f"the last said: {last.message if last else 'nothing'}",
            retry_after=errand.soonest,
        ) from last

    async def _group(self, group: Group, errand: Errand, last: bool) -> tuple[Events, Target]:
        """Raises ProviderError when the group is given up."""
        config = self._config
        budget = self.deployments.budget(
            group.name, config.retry_share, config.retries_per_second
        )
        budget.called()
        try:
            return await self._round(group, errand, None)
        except ProviderError as error:
            retries = config.retries if last else config.retries_before_fallback
            wait = self._wait(1, error, errand)
            if not retries or wait is None:
                raise
        # Built only now: the way without failures pays nothing for the retries.
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(retries),
            wait=lambda state: self._wait(state.attempt_number + 1, _failure(state), errand) or 0.0,
            retry=retry_if_exception(
                lambda error: isinstance(error, ProviderError)
                and self._wait(1, error, errand) is not None
            ),
            reraise=True,
        )
        await self._sleep(wait)
        return await retrying(self._round, group, errand, budget)

    async def _round(
        self, group: Group, errand: Errand, budget: RetryBudget | None
    ) -> tuple[Events, Target]:
        """Ask each deployment of a group once, until one answers. Every call is a retry that needs
        a budget, but for the first of all."""
        if len(group.targets) == 1:
            only = self.deployments.of(group.targets[0])
            self._spend(budget)
            return await self._asked(only, errand, "")
        return await self._balanced(group, errand, budget)

    async def _balanced(
        self, group: Group, errand: Errand, budget: RetryBudget | None
    ) -> tuple[Events, Target]:
        failure: ProviderError | None = None
        members = [self.deployments.of(target) for target in group.targets]
        left = dict(zip(members, group.weights or [1.0] * len(members), strict=True))
        while (deployment := self._next(group, left, errand)) is not None:
            del left[deployment]
            if failure and budget is None:
                budget = self._budget(group)
            try:
                self._spend(budget)
                return await self._perhaps_hedged(deployment, group, left, errand)
            except WindowExceeded:
                raise  # it is the same model everywhere
            except ProviderError as error:
                failure = _more_hopeful(failure, error)
        if failure is None:
            raise self._nobody(members, errand)
        raise failure
