"""An answer that breaks off goes on with the next model, as one text.

It stands around the dispatcher where `stream.on_cut` says so. Only plain text goes on: a call of
tools, several choices and a form that is enforced cannot be taken up in the middle. How two texts
are joined is decided in gateway/seam.py, how a model is shown the first of them in
gateway/fitting.py.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from context.tokens import Counter
from context.types import Prompt
from gateway.dispatch import Begun, Dispatcher
from gateway.errors import GatewayError, ProviderError
from gateway.fitting import Fitting
from gateway.seam import AnotherAnswer, Seam, shown
from gateway.spending import share, together
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Event, Events, Spent, Usage
from routing.types import Plan, Target

# What may have been told beside text without being lost when another model goes on.
PASSING = frozenset({"role", "reasoning", "reasoning_content", "reasoning_details", "refusal"})
LIMITS = ("max_tokens", "max_completion_tokens")


class Continuing:
    """A dispatcher whose streams go on where they are cut."""

    def __init__(self, dispatcher: Dispatcher, fitting: Fitting, count: Counter) -> None:
        self.dispatcher = dispatcher
        self.fitting = fitting
        self.count = count

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        """See Dispatcher."""
        if not ask.stream or ask.n > 1 or not ask.params.keys().isdisjoint(_NEVER):
            return await self.dispatcher.start(prompt, plan, ask, span)
        ask = replace(ask, verbatim=False)  # what was said has to be known
        begun = await self.dispatcher.start(prompt, plan, ask, span)
        told = _Told(self, prompt, plan, ask, span, begun)
        return replace(begun, events=told.events())


_NEVER = frozenset({"response_format", "logprobs", "audio", "modalities"})


@dataclass(slots=True)
class _Told:
    """One answer, by however many models."""

    house: Continuing
    prompt: Prompt
    plan: Plan
    ask: Ask
    span: Span
    begun: Begun
    said: list[str] = field(default_factory=list)  # by all
    lately: list[str] = field(default_factory=list)  # by the one that speaks, as it said it
    spent: list[Spent] = field(default_factory=list)
    continued: list[str] = field(default_factory=list)
    plain: bool = True  # nothing but text has been told
    finish: str | None = None
    again: bool = False  # the model that broke off last has been asked to go on itself
    since: int = field(default_factory=time.perf_counter_ns)

    async def events(self) -> Events:
        """The events of the whole answer."""
        seam: Seam | None = None
        prompt = self.prompt
        while True:
            try:
                async with aclosing(self.begun.events) as events:
                    async for event in events:
                        if isinstance(event, Done):
                            if rest := self._rest(seam):
                                yield rest
                            yield await self._ended(event, prompt)
                            return
                        if (piece := self._heard(event, seam)) is not None:
                            yield piece
                            self._noted(piece)
                raise ProviderError("The answer ended before it was complete.")
            except AnotherAnswer:
                cut: ProviderError = ProviderError("It did not go on, but began again.")
            except ProviderError as error:
                cut = error
            if self.finish:  # all was said; only the counts are missing
                yield await self._ended(Done(usage=Usage(estimated=True)), prompt)
                return
            prompt, seam = await self._resumed(cut, prompt)

    def _heard(self, event: Event, seam: Seam | None) -> Delta | None:
        """A piece as it is to be told."""
        assert isinstance(event, Delta)
        self.lately.append(event.text)
        if seam is None:
            return event
        text = seam.feed(event.text)
        if event.finish:
            text += seam.finish()
        fields = {key: value for key, value in event.fields.items() if key != "role"}
        if not (text or fields or event.extra or event.finish):
            return None
        return Delta(text, event.choice, fields, event.extra, event.finish)

    def _rest(self, seam: Seam | None) -> Delta | None:
        text = seam.finish() if seam else ""
        return Delta(text) if text else None

    def _noted(self, piece: Delta) -> None:
        if piece.text:
            self.said.append(piece.text)
        if piece.finish:
            self.finish = piece.finish
        if piece.choice or (
            piece.fields and any(v for k, v in piece.fields.items() if k not in PASSING)
        ):
            self.plain = False

    async def _ended(self, done: Done, prompt: Prompt) -> Done:
        if not self.spent:
            return done
        spent = [*self.spent, await self._share(done.usage, prompt)]
        return replace(together(done, spent), continued=tuple(self.continued))

    async def _share(self, usage: Usage, prompt: Prompt) -> Spent:
        said = "".join(self.lately)
        return await share(self.begun.target.name, usage, prompt, said, self.house.count)

    async def _resumed(self, cut: ProviderError, prompt: Prompt) -> tuple[Prompt, Seam]:
        """Let the next model go on. Raises what broke the answer off where none can."""
        if not self.plain:
            raise cut
        self.spent.append(await self._share(Usage(), prompt))
        said = "".join(self.said)
        after, apart = self.begun.target, self._apart()
        prompt = replace(self.prompt, said=shown(said))
        shortened = await self._shortened(said)
        note: dict[str, Any] = {"after": after.name, "error": cut.message, "characters": len(said)}
        try:
            self.begun = await self._next(prompt, after, shortened, apart)
            note["by"] = self.begun.target.name
        except GatewayError as error:
            note["failed"] = error.message
            raise cut from error
        finally:
            self._trace(note, apart)
        self.lately = []
        self.continued.append(self.begun.target.name)
        way = self.house.fitting.prefill(self.begun.target)
        return prompt, Seam(said, asked_to_repeat=way == "instruction")

    async def _next(self, prompt: Prompt, after: Target, ask: Ask, span: Span) -> Begun:
        """The targets below the one that broke off; at the end, once, that one itself."""
        plan = self.house.fitting.continuing(self.plan)
        below = plan.after(after) if after in plan.targets else plan
        if below.targets:
            return await self.house.dispatcher.start(prompt, below, ask, span)
        if self.again or after not in plan.targets:
            raise ProviderError(f"No other model is left after {after.name}.")
        self.again = True
        return await self.house.dispatcher.start(
            prompt, Plan.chain((after,), plan.reason), ask, span
        )

    async def _shortened(self, said: str) -> Ask:
        """The request for what is left of the tokens that it allows."""
        limits = {name: self.ask.params[name] for name in LIMITS if self.ask.params.get(name)}
        if not limits:
            return self.ask
        told = await asyncio.to_thread(self.house.count, said)
        left = {name: max(1, limit - told) for name, limit in limits.items()}
        return replace(self.ask, params={**self.ask.params, **left})

    def _apart(self) -> Span:
        """A span for the calls that go on; its time is the request's."""
        return Span("continue", self.span.start + time.perf_counter_ns() - self.since)

    def _trace(self, note: dict[str, Any], apart: Span) -> None:
        attributes = self.span.attributes
        attributes["continued"] = [*attributes.get("continued", ()), note]
        attributes["attempts"] = [
            *attributes.get("attempts", ()),
            *apart.attributes.get("attempts", ()),
        ]
