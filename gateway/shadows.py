"""A revision of an adapter that is tried out on what people really ask, before any of them is
answered by it.

When the live revision has answered, a share of the requests is put to the one under the alias
`shadow`, with the very same prompt. What that says is shown to nobody and kept in no cache: it
stands in the ledger as a request of its own, beside the one that it was made after.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from rapidfuzz.distance import Indel

from context.types import Prompt
from gateway.accounting import Accounting, Tab
from gateway.adapters.config import ShadowConfig
from gateway.adapters.targets import AdapterTargets
from gateway.adapters.types import SHADOW
from gateway.dispatch import Begun, Dispatcher
from gateway.errors import GatewayError
from gateway.judging import Judge, supported
from gateway.streams import Collected, collect
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Caller, Done
from routing.experiments.drawing import Drawn
from routing.types import Plan, Target

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shadows:
    """Asks them behind the answer; an `async with` ends what is still being asked."""

    targets: AdapterTargets
    dispatcher: Dispatcher
    judge: Judge
    books: Accounting
    config: ShadowConfig
    _asking: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Shadows:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)

    def follow(
        self, answer: Answer, begun: Begun, prompt: Prompt, caller: Caller, ask: Ask, trace: Trace
    ) -> None:
        """Once the answer is told whole, have it followed by its shadow's, if it is drawn."""
        shadow = self.targets.shadow(begun.target)
        if shadow is None or begun.strategy or not self._drawn(trace):
            return
        if not all(map(shadow.runs_in, ask.within)):  # it may be another provider's
            return

        began = next(span.start for span in reversed(trace.spans) if span.name == "dispatch")

        async def told(whole: Collected, done: Done) -> Done:
            if len(self._asking) < self.config.max_in_flight and not done.incomplete:
                live = Live(trace.id, begun.target.name, whole.text, _figures(trace, began, done))
                work = self._asked(shadow, prompt, caller, ask, live)
                task = asyncio.get_running_loop().create_task(work)
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            return done

        answer.endings = (*answer.endings, told)

    def _drawn(self, trace: Trace) -> bool:
        return int(trace.id[:8], 16) < self.config.share * 2**32

    async def _asked(
        self, shadow: Target, prompt: Prompt, caller: Caller, ask: Ask, live: Live
    ) -> None:
        """Ask it, and write down how it answered."""
        trace = Trace()
        seen: dict[str, Any] = {"live": live.model, "figures": [live.figures]}
        trace.attributes[SHADOW] = seen
        ask = replace(ask.unseen(ask.params), deadline=self.config.time, door=SHADOW)
        # The team has asked; a key's budget is for what its holder is given.
        caller = replace(caller, key=SHADOW, name=SHADOW)
        drawn = Drawn(SHADOW, shadow.model, live.trace)
        tab = Tab(self.books, trace, ask, caller, drawn=drawn)

        async def compared(whole: Collected, done: Done) -> Done:
            took = _figures(trace, 0, done)
            # Beside the loop: long texts take a while, and nobody waits for these figures.
            done.faithfulness = await asyncio.to_thread(supported, whole.text, prompt)
            seen["figures"] = [live.figures, took | {"faithfulness": done.faithfulness}]
            seen["likeness"] = await asyncio.to_thread(likeness, live.text, whole.text)
            return done

        try:
            async with tab:
                with trace.span("dispatch") as span:
                    plan = Plan.chain((shadow,), SHADOW)
                    begun = await self.dispatcher.start(prompt, plan, ask, span)
            answer = self.judge.judged(begun, prompt, None, plan, "off", trace)
            answer.endings = (*answer.endings, compared)
            await collect(tab.metered(answer).events)
        except GatewayError as error:  # its row says so
            _log.info("%s, which shadows a live revision, did not answer: %s", shadow.name, error)


@dataclass(frozen=True, slots=True)
class Live:
    """An answer that is followed."""

    trace: str
    model: str
    text: str
    figures: dict[str, float | None]


def _figures(trace: Trace, since: int, done: Done) -> dict[str, float | None]:
    """What two answers to one prompt are compared by."""
    return {
        "seconds": round((trace.elapsed - since) / 1e9, 6),
        "tokens": done.usage.completion,
        "faithfulness": done.faithfulness,
    }


def likeness(one: str, other: str) -> float | None:
    """How much of two texts is the same, 0 to 1; None where either says nothing in words."""
    return round(Indel.normalized_similarity(one, other), 4) if one and other else None
