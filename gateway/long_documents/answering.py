"""The answer to a request whose text is longer than the window.

All calls go through the dispatcher, count as the request's, and are reserved before the first is
made.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from context.types import Prompt
from gateway.accounting import Tab
from gateway.degrade.ladder import UNANSWERED, Unanswered
from gateway.grounding import Library, not_in_documents
from gateway.known import Recall
from gateway.long_documents.cases import OWN_TEXT, Case, Quoting, Reading, prompt_of, told
from gateway.long_documents.work import House, Work
from gateway.screening import Screened
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask
from routing.types import Plan

_NO_STRATEGY = "a long document is read by calls of its own"
_ELSEWHERE = "[The text. Passages of it are quoted as sources.]"


class LongDocuments:
    """Answers what is asked of long texts."""

    def __init__(self, house: House, library: Library) -> None:
        self.house = house
        self._library = library

    async def answer(
        self, tab: Tab, ask: Ask, plan: Plan, recall: Recall, trace: Trace
    ) -> Answer | None:
        """None where it fits the window, and is answered as ever. Raises PromptTooLong where it
        cannot be read in parts either, InvalidRequest where that takes too many calls, and
        RateLimited where the caller's limits do not allow them."""
        with trace.span("long_document") as span:
            case = await asyncio.to_thread(self.house.cases.looked_at, ask, plan)
            if case is None:
                return None
            span.set(task=case.apart.task, tokens=case.tokens, **told(case.way))
            if strategy := ask.strategy or plan.strategy:  # an experiment's, or a rule's
                span.set(strategy={"name": strategy, "why": _NO_STRATEGY})
            if isinstance(case.way, Reading):
                await tab.reserve_more(plan, case.way.most)
        if isinstance(case.way, Quoting):
            return await self._quoted(case, case.way, plan, recall, trace)
        work = Work(self.house, tab, case, case.way, plan, trace)
        return work.answer(Unanswered(ask, plan, Prompt(()), OWN_TEXT, recall))

    async def _quoted(
        self,
        case: Case,
        way: Quoting,
        plan: Plan,
        recall: Recall,
        trace: Trace,
    ) -> Answer:
        """The answer to a question, from passages that are cited like any other's."""
        if not way.hits:
            return not_in_documents(OWN_TEXT, plan, recall.state)
        ask = replace(case.ask, question=case.apart.task)
        with trace.span("pack") as span:
            if way.whole:
                prompt = prompt_of(case, way)
                span.set(prompt=prompt.messages)
            else:
                packed = replace(ask, messages=case.apart.with_material(_ELSEWHERE))
                prompt = await self._library.pack(packed, OWN_TEXT, Screened(way.hits), plan, span)
                self._library.watch(prompt, plan, span)
        try:
            with trace.span("dispatch") as span:
                begun = await self.house.answers.start(prompt, plan, ask, span)
        except UNANSWERED as failure:
            missed = Unanswered(ask, plan, prompt, OWN_TEXT, recall)
            return await self.house.ladder.instead(failure, missed, trace)
        answer = self.house.judge.judged(begun, prompt, OWN_TEXT, plan, recall.state, trace)
        answer.known.long_document = told(way)
        return answer
