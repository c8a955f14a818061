"""Walk a plan's targets until one has begun to answer.

The first content is the point of no return: before it a failure is retried and then handed to the
next target; after it the stream has the client's eyes on it, and a failure ends it there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from context.types import Prompt
from gateway.errors import (
    InvalidRequest,
    NoModelAvailable,
    PromptTooLong,
    ProviderError,
    WindowExceeded,
)
from gateway.fitting import NOTHING_TO_FIT, Fitting
from gateway.providers.base import Call, Provider
from gateway.tracing.trace import Span
from gateway.types import Ask, Events
from retrieval.config import Section
from routing.types import Plan, Target

# What the caller did wrong stays wrong on every other model.
CALLERS_FAULT = frozenset({400, 413, 422})


class DispatchConfig(Section):
    """How hard a model is tried before the next one."""

    attempts: int = Field(default=2, ge=1, le=10, description="Attempts at one model.")
    first_wait: float = Field(
        default=0.5, ge=0, description="Seconds before the first retry; doubles, with jitter."
    )
    longest_wait: float = Field(
        default=4, ge=0, description="A provider that asks for more is passed over."
    )


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun, and who gives it."""

    events: Events
    target: Target
    fallback: bool = False  # a group below the plan's first answered


class Dispatcher:
    """Holds the providers by name and calls them."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        config: DispatchConfig,
        fitting: Fitting = NOTHING_TO_FIT,
    ) -> None:
        self._providers = providers
        self._config = config
        self._fitting = fitting

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        """The first target that answers. Raises InvalidRequest or NoModelAvailable."""
        plan = self._fitting.able(ask, plan, span)
        attempts: list[dict[str, Any]] = []
        span.set(attempts=attempts)
        params = {**ask.params, "n": ask.n} if ask.n > 1 else ask.params
        last: ProviderError | None = None
        for target in plan.targets:
            call = Call(target.model, prompt, ask.stream, params)
            call = self._fitting.fitted(call, target, span)
            try:
                events = await self._tried(target, call, attempts)
                return Begun(events, target, target not in plan.groups[0].targets)
            except WindowExceeded as error:
                last = error  # another model of the plan may have a larger window
            except ProviderError as error:
                if error.upstream_status in CALLERS_FAULT:
                    raise InvalidRequest(error.message, param=error.param) from error
                last = error
        if isinstance(last, WindowExceeded):
            raise PromptTooLong(last.message, param="messages") from last
        raise NoModelAvailable(
            f"No model answered. Tried {', '.join(t.name for t in plan.targets)}; "
            f"the last said: {last.message if last else 'nothing'}",
            retry_after=last.retry_after if last else None,
        ) from last

    async def resume(
        self, prompt: Prompt, plan: Plan, ask: Ask, after: Target, span: Span
    ) -> Begun:
        """The first of the targets below `after` that answers; raises what `start` raises.

        For whoever goes on with an answer that `after` broke off."""
        rest = plan.after(after)
        if not rest.targets:
            raise NoModelAvailable(f"No other model is left after {after.name}.")
        return replace(await self.start(prompt, rest, ask, span), fallback=True)

    async def _tried(self, target: Target, call: Call, attempts: list[dict[str, Any]]) -> Events:
        try:
            return await self._once(target, call, attempts)
        except ProviderError as error:
            if not self._worth_retrying(error):
                raise
            wait = max(self._config.first_wait, error.retry_after or 0.0)
        # Built only now: the way without failures pays nothing for the retries.
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._config.attempts - 1),
            wait=wait_exponential_jitter(
                multiplier=self._config.first_wait, max=self._config.longest_wait
            ),
            retry=retry_if_exception(self._worth_retrying),
            reraise=True,
        )
        await asyncio.sleep(wait)
        return await retrying(self._once, target, call, attempts)

    async def _once(self, target: Target, call: Call, attempts: list[dict[str, Any]]) -> Events:
        started = time.perf_counter()
        failure: str | None = "cancelled"
        try:
            events = await self._providers[target.provider].start(call)
            failure = None
            return events
        except ProviderError as error:
            failure = error.message
            raise
        finally:
            ms = round((time.perf_counter() - started) * 1000, 3)
            attempts.append({"model": target.name, "ms": ms, "error": failure})

    def _worth_retrying(self, error: BaseException) -> bool:
        return (
            isinstance(error, ProviderError)
            and error.retryable
            and self._config.attempts > 1
            and (error.retry_after or 0) <= self._config.longest_wait
        )
