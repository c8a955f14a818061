"""The ladder below the last model: what is said when none of them answers.

A step has what the request had found out by then. None of them asks a model, embeds or searches,
and none costs the caller anything. What is below the last step is the failure itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from context.types import Prompt
from gateway.degrade.canned import Canned
from gateway.degrade.config import DegradeConfig
from gateway.dispatch import Begun
from gateway.errors import GatewayError, HandedOver, NoModelAvailable, ProviderTimeout
from gateway.grounding import Standing
from gateway.judging import Judge
from gateway.known import Recall
from gateway.providers.base import Call, Provider
from gateway.streams import Collected, Told, replay
from gateway.tracing.trace import Span, Trace
from gateway.types import Answer, Ask, Delta, Done, Event
from routing.types import Plan, Target

UNANSWERED = (NoModelAvailable, ProviderTimeout)
"""What is stepped down from: no model gave an answer, and not by the caller's fault."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request that no model answered, and what had been found out for it."""

    ask: Ask
    plan: Plan
    prompt: Prompt
    grounds: Standing | None
    recall: Recall  # of earlier answers


@dataclass(frozen=True, slots=True)
class Ladder:
    """The configured steps."""

    config: DegradeConfig
    quoting: Provider  # answers with what the prompt's passages say, word for word
    quoter: Target  # its model
    judge: Judge
    canned: Canned

    async def instead(self, failure: GatewayError, request: Unanswered, trace: Trace) -> Answer:
        """What stands in for a model's answer. Raises HandedOver, or the failure itself."""
        with trace.span("degrade") as span:
            tried = [{"step": "models", "why": failure.message}]
            span.set(tried=tried)
            for step in self.config.steps:
                match step:
                    case "cached":
                        answer = await self._cached(request)
                    case "extract":
                        answer = await self._extracted(request, trace)
                    case "canned":
                        answer = self._canned(request, span)
                    case "hand-over":
                        raise self._handed_over(failure, tried, trace) from failure
                if isinstance(answer, Answer):
                    span.set(step=step)
                    return answer
                tried.append({"step": step, "why": answer})
            raise failure

    async def _cached(self, request: Unanswered) -> Answer | str:
        """An answer that was given before, or why there is none."""
        if request.recall.scope is None:
            return "The request may not be given an earlier answer."
        answer = await request.recall.older(self.config.looser_threshold)
        return answer or "No earlier answer fits."

    async def _extracted(self, request: Unanswered, trace: Trace) -> Answer | str:
        """What the passages say, or why nothing."""
        ask, prompt, grounds = request.ask, request.prompt, request.grounds
        if grounds is None or not prompt.sources:
            return "The request has no passages." if grounds else "The request is not grounded."
        if not _wants_prose(ask.params):
            return "The request wants more than prose."
        call = Call(self.quoter.model, prompt, ask.stream, {"n": ask.n})
        events: list[Event] = [event async for event in await self.quoting.start(call)]
        if not (isinstance(events[-1], Done) and events[-1].grounded):
            return "The passages do not answer."
        begun = Begun(Told(events), self.quoter)
        answer = self.judge.judged(
            begun, prompt, grounds, request.plan, request.recall.state, trace
        )

        async def marked(whole: Collected, done: Done) -> Done:
            return replace(done, degraded="extract")

        answer.known = replace(answer.known, degraded="extract")
        answer.endings = (*answer.endings, marked)
        return answer

    def _canned(self, request: Unanswered, span: Span) -> Answer | str:
        """The operator's own answer, or why there is none."""
        ask, grounds = request.ask, request.grounds
        if not _wants_prose(ask.params):
            return "The request wants more than prose."
        chosen = self.canned.to(ask.question, request.recall.query)
        if chosen is None:
            return "No topic fits."
        span.set(topic=chosen.topic)
        done = Done(
            model="moorline/canned",
            route=request.plan.reason,
            cache=request.recall.state,
            collection=grounds.collection or None if grounds else None,
            grounding=grounds.mode if grounds else "off",
            grounded=False if grounds else None,
            degraded="canned",
        )
        said = [Delta(chosen.answer, choice, finish="stop") for choice in range(ask.n)]
        return Answer(replay(said, done), done)

    def _handed_over(
        self, failure: GatewayError, tried: list[dict[str, str]], trace: Trace
    ) -> HandedOver:
        last = self.config.hand_over
        return HandedOver(
            last.filled_in(trace_id=trace.id, reason=failure.message),
            retry_after=failure.retry_after or last.retry_after,
            about={"trace_id": trace.id, "degraded": "hand-over", "tried": tried},
        )


def _wants_prose(params: Mapping[str, Any]) -> bool:
    """Whether text will do: it does not help a program that waits for JSON or for a tool call."""
    form, tool = params.get("response_format"), params.get("tool_choice")
    structured = isinstance(form, Mapping) and form.get("type") != "text"
    return not structured and tool in (None, "none", "auto")
