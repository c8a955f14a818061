"""One request under a strategy: its calls, what they used, and what the trace shows of them.

What is said on the way stays here; only `told` and `chosen` make an answer of it. Every call that
is not the answer's own is paid for beside it, however the request ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from context.prompts.catalogue import Prompts
from context.tokens import Counter, messages_tokens
from context.types import Message, Prompt
from gateway.asides import DECIMALS, Unsaid
from gateway.dispatch import Begun, another_call
from gateway.errors import GatewayError, NoModelAvailable, ProviderTimeout
from gateway.providers.prices import Prices
from gateway.spending import broken_off, share, unpaid
from gateway.strategies.config import StrategiesConfig
from gateway.streams import Collected, collect, retold
from gateway.structured import Starter
from gateway.tracing.trace import Span
from gateway.types import Ask, Done, Spent
from gateway.windows import Windows
from retrieval.types import Reranker
from routing.types import Plan, Strategy

T = TypeVar("T")

OF_THE_ANSWER = frozenset(
    {
        *("response_format", "logprobs", "top_logprobs", "stop", "prediction"),
        *("modalities", "audio", "max_tokens", "max_completion_tokens"),
    }
)
"""Parameters that say what the answer looks like: a text on the way looks otherwise."""
ON_THE_WAY, WHOLE = 0.5, 0.9  # of the time that is left, which one call may take


@dataclass(frozen=True, slots=True)
class Means:
    """What every run has at its disposal."""

    starter: Starter
    config: StrategiesConfig
    prompts: Prompts
    windows: Windows
    prices: Prices
    count: Counter
    reader: Reranker


@dataclass(frozen=True, slots=True)
class Said:
    """A whole answer that nobody has been told yet."""

    text: str
    whole: Collected
    begun: Begun
    spent: tuple[Spent, ...]


@dataclass(slots=True)
class Run:
    """One request's."""

    means: Means
    name: Strategy
    prompt: Prompt
    plan: Plan
    ask: Ask
    span: Span  # of the request's dispatch
    spent: list[Spent] = field(default_factory=list)  # beside the answer
    steps: list[dict[str, Any]] = field(default_factory=list)  # as the trace shows them
    since: int = field(default_factory=time.perf_counter_ns)

    def __post_init__(self) -> None:
        self.span.set(strategy={"name": self.name, "steps": self.steps})

    @property
    def config(self) -> StrategiesConfig:
        return self.means.config

    def text(self, name: str, **values: str) -> str:
        """A prompt in the version in use."""
        template = self.means.prompts.used(name)
        self.note(instructions=[*self._noted("instructions"), template.id])
        return template.render(**values)

    def asked(self, text: str) -> list[Message]:
        """The request's messages, with this at the end of what the user says."""
        *before, last = self.prompt.messages
        if last.get("role") != "user":
            return [*self.prompt.messages, {"role": "user", "content": text}]
        content = last.get("content")
        if isinstance(content, list):
            return [*before, {**last, "content": [*content, {"type": "text", "text": text}]}]
        return [*before, {**last, "content": f"{content or ''}\n\n{text}"}]

    async def aside(self, step: str, messages: Sequence[Message]) -> str:
        """A text on the way to the answer. Raises Unsaid, or NoModelAvailable."""
        params = {k: v for k, v in self.ask.params.items() if k not in OF_THE_ANSWER}
        ask = self.ask.unseen({**params, "max_tokens": self.config.notes_tokens})
        prompt = await self._changed(messages, ask)
        try:
            said = await self._said(step, prompt, ask, ON_THE_WAY)
        except NoModelAvailable:
            raise  # it would be no better for the answer
        except GatewayError as error:
            raise Unsaid(f"{step}: {error.message}") from error
        self.spent += said.spent
        if not said.text.strip():
            raise Unsaid(f"{step}: nothing came")
        return said.text.strip()

    async def answer(self, step: str, **params: Any) -> Said:
        """A whole answer to the request. Raises GatewayError."""
        ask = self.ask.unseen({**self.ask.params, **params})
        said = await self._said(step, self.prompt, ask, WHOLE)
        self.spent += said.spent
        return said

    def chosen(self, said: Said, **about: Any) -> Begun:
        """This is what the client is told."""
        for each in said.spent:  # it is the answer's own
            self.spent.remove(each)
        return replace(said.begun, events=retold(said.whole), strategy=self._about(**about))

    async def told(self, step: str, messages: Sequence[Message] | None = None) -> Begun:
        """The last call, told as it comes. Raises GatewayError, or Unsaid where the messages do not
        fit."""
        prompt = self.prompt
        if messages is not None:
            prompt = await self._changed(messages, self.ask)
        began = self._now()
        # What is noted while the stream is told belongs into the request's own span.
        try:
            with another_call(self.span, step, began) as span:
                begun = await self.means.starter.start(prompt, self.plan, self.ask, span)
        except GatewayError as error:
            self.spent += unpaid(error)
            raise
        self.steps.append({"step": step, "model": begun.target.name, "begun_ms": self._ms(began)})
        return replace(begun, strategy=self._about())

    async def gathered(self, works: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
        """What comes of all of them, so many at once. Who fails is left out; raises the first
        failure where all do."""
        gate = asyncio.Semaphore(self.config.parallel)
        failures: list[GatewayError | Unsaid] = []

        async def one(work: Callable[[], Awaitable[T]]) -> list[T]:
            async with gate:
                try:
                    return [await work()]
                except (GatewayError, Unsaid) as error:
                    failures.append(error)
                    return []

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(work)) for work in works]
        came = [each for task in tasks for each in task.result()]
        if not came:
            raise failures[0]
        return came

    async def sampled(self) -> list[Said]:
        """Several answers to the same request. Raises GatewayError where none came."""
        params = self.ask.params
        hot = {"temperature": max(params.get("temperature") or 0.0, self.config.temperature)}
        seed = params.get("seed")

        def sample(number: int) -> Callable[[], Awaitable[Said]]:
            # The same seed would make the same answer.
            seeded = {**hot, "seed": seed + number} if isinstance(seed, int) else hot
            return lambda: self.answer(f"sample {number + 1}", **seeded)

        return await self.gathered(sample(number) for number in range(self.config.samples))

    def note(self, **said: Any) -> None:
        """Something for the trace."""
        self.span.attributes["strategy"].update(said)

    def _noted(self, name: str) -> list[Any]:
        found: list[Any] = self.span.attributes["strategy"].get(name, [])
        return found

    def _about(self, **about: Any) -> Mapping[str, Any]:
        self.note(**about)
        return {"name": self.name, "calls": len(self.steps), **about}

    async def _changed(self, messages: Sequence[Message], ask: Ask) -> Prompt:
        """The prompt with other messages. Raises Unsaid where they leave no room for an answer."""
        windows = self.means.windows
        count, room = windows.tokenizer(self.plan), windows.room(ask, self.plan)
        tokens = await asyncio.to_thread(messages_tokens, messages, count)
        if tokens > room:
            raise Unsaid(f"{tokens} tokens, and there is room for {room}")
        return replace(self.prompt, messages=tuple(messages), tokens={"total": tokens})

    async def _said(self, step: str, prompt: Prompt, ask: Ask, part: float) -> Said:
        span = Span(step, self._now())
        try:
            async with asyncio.timeout(self._patience(part)):
                begun = await self.means.starter.start(prompt, self.plan, ask, span)
                whole = await collect(begun.events)
        except BaseException as error:
            self._broken(span, prompt, error)
            if isinstance(error, TimeoutError):
                raise ProviderTimeout(f"{step} took longer than the request allows.") from None
            raise
        finally:
            calls = self.span.attributes.get("attempts", ())
            self.span.attributes["attempts"] = [*calls, *span.attributes.get("attempts", ())]
        done = whole.done or Done()
        spent = done.spent or (
            await share(begun.target.name, done.usage, prompt, whole.text, self.means.count),
        )
        self._step(span, spent, text=whole.text)
        return Said(whole.text, whole, begun, spent)

    def _broken(self, span: Span, prompt: Prompt, error: BaseException) -> None:
        spent = unpaid(error)
        if not spent and (cut := broken_off(span, prompt)):
            spent = (cut,)
        self.spent += spent
        self._step(span, spent, error=type(error).__name__)

    def _step(self, span: Span, spent: Sequence[Spent], **seen: str) -> None:
        cost = sum(self.means.prices.cost(each.model, each.usage) for each in spent)
        tokens = {
            "prompt": sum(each.usage.prompt for each in spent),
            "completion": sum(each.usage.completion for each in spent),
        }
        self.steps.append(
            {
                "step": span.name,
                "model": spent[-1].model if spent else None,
                "tokens": tokens,
                "cost_usd": round(cost, DECIMALS),
                "ms": self._ms(span.start),
                **seen,
            }
        )

    def _patience(self, part: float) -> float | None:
        """Seconds that a call may take, of those that the request has left."""
        if self.ask.deadline is None:
            return None
        return max(self.ask.deadline - self._now() / 1e9, 0.0) * part

    def _now(self) -> int:
        """Nanoseconds from the trace's start."""
        return self.span.start + time.perf_counter_ns() - self.since

    def _ms(self, began: int) -> float:
        return round((self._now() - began) / 1e6, 1)
