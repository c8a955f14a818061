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
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tenacity import AsyncRetrying, RetryCallState

from context.types import Prompt
from gateway.config import DispatchConfig
from gateway.deployments import CALLERS_FAULT, Barred, Clock, Deployment, Deployments
from gateway.errors import (
    AdapterUnusable,
    InvalidRequest,
    NoModelAvailable,
    NothingToQuote,
    PromptTooLong,
    ProviderError,
    ProviderTimeout,
    WindowExceeded,
)
from gateway.fitting import NOTHING_TO_FIT, Fitting
from gateway.hedging import raced
from gateway.providers.base import Call, Provider
from gateway.sizes import most_tokens_of_answer, tokens_of
from gateway.tracing.trace import Span
from gateway.types import Ask, Events
from routing.balance import chosen
from routing.retry import RetryBudget, wait_before
from routing.types import Group, Plan, Target

LEFT_FOR_OTHERS = 0.05  # of a deadline, for what answers when no model does
KNOWN_WELL = 20  # answers before a quantile of theirs is believed


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun, and who gives it."""

    events: Events
    target: Target
    fallback: bool = False  # a group below the plan's first answered
    formed: bool = False  # it is JSON that the caller asked for, no prose
    strategy: Mapping[str, Any] | None = None  # by which it was made, where it took one


@contextmanager
def another_call(span: Span, name: str, start: int) -> Iterator[Span]:
    """A span for one call more of what has this one: what is seen of it is seen of both, and its
    attempts stand behind those before."""
    attributes = span.attributes
    before = attributes.pop("attempts", [])
    try:
        yield Span(name, start, attributes=attributes)
    finally:
        attributes["attempts"] = [*before, *attributes.get("attempts", ())]


@dataclass(slots=True)
class Errand:
    """One request on its way through a plan."""

    prompt: Prompt
    ask: Ask
    span: Span
    params: Mapping[str, Any]
    give_up_at: float  # by the dispatcher's clock
    attempts: list[dict[str, Any]] = field(default_factory=list)  # calls, as they ended
    last_group: bool = False
    retry: int = 0
    hopeless: tuple[Deployment, ...] = ()  # whose failure stays
    soonest: float | None = None  # seconds until one that was passed over may be asked

    def passed_over(self, deployment: Deployment, barred: Barred) -> None:
        """A deployment is not asked."""
        skipped = self.span.attributes.setdefault("skipped", [])
        skipped.append({"model": deployment.target.name, "why": barred.why})
        self.again_in(barred.wait)

    def again_in(self, wait: float | None) -> None:
        """Something may answer after so many seconds."""
        if wait is not None:
            self.soonest = wait if self.soonest is None else min(self.soonest, wait)

    def vain(self, said: str, plan: Plan) -> str:
        """Why nobody answered: who was tried, and who was not."""
        if plan.secret:
            return "No model answered."
        tried = dict.fromkeys(each["model"] for each in self.attempts)
        skipped = self.span.attributes.get("skipped", ())
        left = {each["model"]: each["why"] for each in skipped if each["model"] not in tried}
        why = "No model can be asked now."
        if tried:
            why = f"No model answered. Tried {', '.join(tried)}; the last said: {said}"
        if left:
            why += f" Not asked: {', '.join(f'{name} ({why})' for name, why in left.items())}."
        return why

    def tokens(self, deployment: Deployment) -> float:
        """How large the request is, where it matters: its prompt and the answer it allows."""
        if not deployment.measured:
            return 0.0
        prompt = self.prompt.tokens.get("total") or tokens_of(self.prompt.messages)
        return float(prompt + (most_tokens_of_answer(self.ask) or 0))


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
        self.deployments = deployments or Deployments(config.breaker, now)
        self._providers = providers
        self._config = config
        self._fitting = fitting
        self._longest = longest  # seconds from a request's arrival, whatever it allows
        self._now = now
        self._sleep = sleep
        self._random = chance or random.Random()
        self._hedges = RetryBudget(config.hedge.max_share, 0.0)

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        """The first deployment that answers. Raises InvalidRequest, PromptTooLong,
        NoModelAvailable, AdapterUnusable where that is all that is wrong, or ProviderTimeout when
        the caller's deadline comes first."""
        plan = self._fitting.able(ask, plan, span)
        params = {**ask.params, "n": ask.n} if ask.n > 1 else ask.params
        left = (ask.deadline or self._longest) * (1 - LEFT_FOR_OTHERS) - span.start / 1e9
        errand = Errand(prompt, ask, span, params, self._now() + left)
        span.attributes["attempts"] = errand.attempts
        if ask.deadline is None:
            return await self._walked(plan, errand)
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                return await self._walked(plan, errand)
        raise ProviderTimeout(
            f"No model began to answer within the {ask.deadline:g} s that the request allows."
        )

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
        """One group after another."""
        last: ProviderError | None = None
        said, too_long, unusable = "nothing", True, True  # for every model that could be asked
        lowest = len(plan.groups) - 1
        for place, group in enumerate(plan.groups):
            errand.last_group, errand.retry = place == lowest, 0
            before = len(errand.attempts)
            try:
                events, target = await self._group(group, errand)
                return Begun(events, target, place > 0)
            except NothingToQuote as error:
                if last is None:  # it says nothing of why the others failed
                    last, said = error, error.message
            except ProviderError as error:
                last = error  # of WindowExceeded, too: another model may have a larger window
                too_long = too_long and isinstance(error, WindowExceeded)
                unusable = unusable and isinstance(error, AdapterUnusable)
                # The error may be that it is not asked again: what it said itself says more.
                failures = [each["error"] for each in errand.attempts[before:]]
                said = next(
                    (each for each in reversed(failures) if each not in (None, "cancelled")), said
                )
        if too_long and isinstance(last, WindowExceeded):
            raise PromptTooLong(last.message, param="messages") from last
        if unusable and isinstance(last, AdapterUnusable):
            raise last  # no later try helps, so that it is not said
        errand.again_in(last.retry_after if last else None)
        raise NoModelAvailable(errand.vain(said, plan), retry_after=errand.soonest) from last

    async def _group(self, group: Group, errand: Errand) -> tuple[Events, Target]:
        """One model, as often as it is worth it. Raises ProviderError when it is given up."""
        config = self._config
        budget = self.deployments.budget(group.name, config.retry_share, config.retries_per_second)
        budget.called()
        try:
            return await self._round(group, errand, budget)
        except ProviderError as error:
            retries = config.retries if errand.last_group else config.retries_before_fallback
            if not (retries and error.retryable):
                raise
            failures = [error]

        async def attempt() -> tuple[Events, Target]:
            if failures:  # the first one has been made
                raise failures.pop()
            errand.retry += 1
            return await self._round(group, errand, budget)

        # Built only now: the way without failures pays nothing for the retries.
        again = _Again(retries, config, errand, budget, self._now, self._random)
        retrying = AsyncRetrying(
            retry=again.worth_it,
            wait=again.wait,
            stop=again.stop,
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(attempt)

    async def _round(
        self, group: Group, errand: Errand, budget: RetryBudget
    ) -> tuple[Events, Target]:
        """Each deployment of a group once, without waiting, until one answers."""
        if len(group.targets) == 1:
            only = self.deployments.of(group.targets[0])
            if barred := only.barred(errand.tokens(only), self._now()):
                errand.passed_over(only, barred)
                raise _nobody(group, {only: barred}, errand)
            return await self._asked(only, errand)
        weights = group.weights or (1.0,) * len(group.targets)
        left = dict(zip(map(self.deployments.of, group.targets), weights, strict=True))
        failure: ProviderError | None = None
        while (deployment := self._next(group, left, errand)) is not None:
            if failure and not budget.take(self._now()):
                break
            try:
                return await self._hedged(deployment, group, left, errand)
            except WindowExceeded:
                raise  # it is the same model everywhere
            except ProviderError as error:
                failure = _more_hopeful(failure, error)
        now = self._now()
        raise failure or _nobody(
            group, {each: each.barred(errand.tokens(each), now) for each in left}, errand
        )

    def _next(
        self, group: Group, left: dict[Deployment, float], errand: Errand
    ) -> Deployment | None:
        """Which of those that are left is asked; it is taken out of them."""
        now = self._now()
        able = []
        for deployment in left:
            if deployment in errand.hopeless:
                continue
            if barred := deployment.barred(errand.tokens(deployment), now):
                errand.passed_over(deployment, barred)
            else:
                able.append(deployment)
        if not able:
            return None
        stream = errand.ask.stream
        candidates = [each.candidate(left[each], stream, now) for each in able]
        deployment = able[chosen(group.balance, candidates, self._random)]
        del left[deployment]
        return deployment

    async def _hedged(
        self, deployment: Deployment, group: Group, left: dict[Deployment, float], errand: Errand
    ) -> tuple[Events, Target]:
        """Ask it, and another one when it takes unusually long."""
        hedge = self._config.hedge
        if not hedge.enabled or errand.params.get("store"):  # it would be stored twice
            return await self._asked(deployment, errand, group.balance)
        self._hedges.called()
        usual = deployment.usual(errand.ask.stream)
        if not left or usual.seen < KNOWN_WELL:
            return await self._asked(deployment, errand, group.balance)
        patience = max(usual.value(hedge.quantile), hedge.minimum)

        def second() -> Coroutine[Any, Any, tuple[Events, Target]] | None:
            if not left or not self._hedges.take(self._now()):
                return None
            other = self._next(group, left, errand)
            if other is None:
                return None
            errand.span.set(hedged={"after": round(patience, 3), "with": other.target.name})
            return self._asked_apart(other, group, errand, "hedge")

        first = self._asked_apart(deployment, group, errand, group.balance)
        return await raced(first, patience, second, _closed)

    async def _asked_apart(
        self, deployment: Deployment, group: Group, errand: Errand, why: str
    ) -> tuple[Events, Target]:
        """One call in a task of its own. Between the choice and the task's first step others run,
        and may have taken the last place."""
        if barred := deployment.barred(errand.tokens(deployment), self._now()):
            errand.passed_over(deployment, barred)
            raise _nobody(group, {deployment: barred}, errand)
        return await self._asked(deployment, errand, why)

    async def _asked(
        self, deployment: Deployment, errand: Errand, why: str = ""
    ) -> tuple[Events, Target]:
        """One call. Raises InvalidRequest where the caller is at fault, else ProviderError."""
        target, began = deployment.target, self._now()
        call = self._fitting.fitted(self._call(deployment, errand), target, errand.span)
        visit = deployment.enter(errand.ask.stream, errand.tokens(deployment), began)
        failure: str | None = "cancelled"
        try:
            events = await self._providers[target.provider].start(call)
            failure = None
            return visit.begun(events, self._now()), target
        except ProviderError as error:
            failure = error.message
            visit.failed(error, self._now())
            if not error.retryable:
                errand.hopeless = (*errand.hopeless, deployment)
            if error.upstream_status in CALLERS_FAULT and not isinstance(error, WindowExceeded):
                raise InvalidRequest(error.message, param=error.param) from error
            raise
        finally:
            now = self._now()
            if failure == "cancelled":
                visit.left(now)
            ms = round((now - began) * 1000, 3)
            attempt: dict[str, Any] = {"model": target.name, "ms": ms, "error": failure}
            if why or errand.retry:
                attempt["why"] = f"retry {errand.retry}" if errand.retry else why
            if call.placed:
                attempt["placed"] = call.placed
            errand.attempts.append(attempt)

    def _call(self, deployment: Deployment, errand: Errand) -> Call:
        ask, prompt = errand.ask, errand.prompt
        verbatim = ask.verbatim and not prompt.sources
        model = deployment.target.model
        return Call(model, prompt, ask.stream, errand.params, verbatim, deployment.observe)


class _Again:
    """What tenacity asks before it tries again."""

    def __init__(
        self,
        retries: int,
        config: DispatchConfig,
        errand: Errand,
        budget: RetryBudget,
        now: Clock,
        chance: random.Random,
    ) -> None:
        self._retries = retries
        self._config = config
        self._errand = errand
        self._budget = budget
        self._now = now
        self._random = chance
        self._wait = 0.0

    def worth_it(self, state: RetryCallState) -> bool:
        """Whether it can succeed, and in time."""
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, ProviderError) or not error.retryable:
            return False
        wait = wait_before(state.attempt_number, self._config, self._random, error.retry_after)
        if wait is None or self._now() + wait >= self._errand.give_up_at:
            return False
        self._wait = wait
        return True

    def wait(self, state: RetryCallState) -> float:
        """Seconds, as `worth_it` found them."""
        return self._wait

    def stop(self, state: RetryCallState) -> bool:
        """Whether that was the last, or too much is being tried again already; else it counts."""
        return state.attempt_number > self._retries or not self._budget.take(self._now())


def _more_hopeful(one: ProviderError | None, other: ProviderError) -> ProviderError:
    """Of two failures the one after which a retry makes more sense."""
    if one is None or not one.retryable:
        return other
    if not other.retryable or (one.retry_after or 0.0) < (other.retry_after or 0.0):
        return one
    return other


def _nobody(
    group: Group, left: Mapping[Deployment, Barred | None], errand: Errand
) -> ProviderError:
    """None of a group's deployments can be asked. It is worth waiting for those that are full,
    where there is nothing to fall back on."""
    barred = [each for each in left.values() if each]
    waits = [each.wait for each in barred if each.passing and each.wait is not None]
    return ProviderError(
        f"{group.name} is not asked: {', '.join(sorted({each.why for each in barred}))}.",
        retryable=errand.last_group and any(each.passing for each in barred),
        retry_after=min(waits, default=None),
    )


async def _closed(too_late: tuple[Events, Target]) -> None:
    await too_late[0].aclose()
