"""Guards over an answer as it is told: markers put right, secrets held back, claims weighed.

Text is judged in finished stretches, a sentence where documents are cited and a word where not, so
an answer is held back by no more than that. Everything but text passes through untouched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from context.citations import Citing
from context.types import Prompt
from gateway.dispatch import Begun
from gateway.grounding import Grounds, references
from gateway.tracing.trace import Span, Trace
from gateway.types import Answer, CacheState, Delta, Done, Event, Events, Reference
from guardrails.chain import Guard
from guardrails.config import GuardrailsConfig
from guardrails.faithfulness import Evidence, faithfulness
from guardrails.output import OutputGuard
from routing.types import Plan

SHORTEST_SECRET = 16  # characters; most pieces of a stream are shorter


class Judged(Protocol):
    """A text that is being told: pieces go in, judged pieces come out."""

    def feed(self, piece: str) -> str: ...

    def finish(self) -> str: ...


class Judge:
    """The configured guards over what goes out."""

    def __init__(self, config: GuardrailsConfig) -> None:
        self._config = config.output

    def judged(
        self,
        begun: Begun,
        prompt: Prompt,
        grounds: Grounds | None,
        plan: Plan,
        cache: CacheState,
        trace: Trace,
    ) -> Answer:
        """The begun answer with its guards, and what is known of it already."""
        known = Done(
            model=begun.target.name,
            route=plan.reason,
            cache=cache,
            collection=grounds.collection if grounds else None,
            grounding=grounds.mode if grounds else "off",
            sources=references(grounds, prompt),
            tokens=prompt.tokens,
        )
        if grounds is None:
            guard = OutputGuard(self._config)
            events = rewritten(begun.events, lambda: Words(guard))
            return Answer(completed(events, known), known)
        claims = Claims(prompt, grounds.mode == "strict", self._guard(prompt))
        events = rewritten(begun.events, claims.of_another_choice)
        return Answer(completed(events, known, claims, trace), known)

    def _guard(self, prompt: Prompt) -> Guard:
        ours = (str(m.get("content")) for m in prompt.messages if m.get("role") == "system")
        return OutputGuard(self._config, "\n".join(ours))


@dataclass(slots=True)
class Words:
    """Text without sources: a word is held back until it is whole, since a secret is one word."""

    guard: Guard
    held: str = ""

    def feed(self, piece: str) -> str:
        text = self.held + piece
        cut = max(text.rfind(" "), text.rfind("\n")) + 1
        whole, self.held = text[:cut], text[cut:]
        return self._judged(whole)

    def finish(self) -> str:
        rest, self.held = self.held, ""
        return self._judged(rest)

    def _judged(self, text: str) -> str:
        return self.guard(text).text if len(text) >= SHORTEST_SECRET else text


@dataclass(slots=True)
class Sentences:
    """Text that cites: a sentence is held back until its markers can be put right."""

    citing: Citing
    guard: Guard

    def feed(self, piece: str) -> str:
        return self._judged(self.citing.feed(piece))

    def finish(self) -> str:
        return self._judged(self.citing.finish())

    def _judged(self, text: str) -> str:
        return self.guard(text).text if text else ""


@dataclass(slots=True)
class Claims:
    """What all choices of an answer claim, held against the passages that they were given."""

    prompt: Prompt
    strict: bool
    guard: Guard
    choices: list[Citing] = field(default_factory=list)
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        texts = {source.number: source.hit.passage.embedded for source in self.prompt.sources}
        self.evidence = Evidence(texts)

    def of_another_choice(self) -> Judged:
        numbers = [source.number for source in self.prompt.sources]
        if self.strict:
            citing = Citing(numbers, self.evidence.best, support=self.evidence.together)
        else:
            citing = Citing(numbers)
        self.choices.append(citing)
        return Sentences(citing, self.guard)

    def weighed(self, done: Done, span: Span) -> Done:
        """The end of the answer, with what its claims came to."""
        claims = [claim for citing in self.choices for claim in citing.claims]
        cited = {number for citing in self.choices for number in citing.cited}
        share = faithfulness(((claim.text, claim.cited) for claim in claims), self.evidence)
        span.set(
            claims=len(claims),
            faithfulness=share,
            unsupported=[claim.text for claim in claims if not claim.cited],
            dropped_markers=[number for citing in self.choices for number in citing.dropped],
        )
        return replace(
            done,
            grounded=bool(cited) if done.grounded is None else done.grounded,
            faithfulness=share,
            sources=_with_cited(done.sources, cited),
        )


def _with_cited(sources: Sequence[Reference], cited: set[int]) -> tuple[Reference, ...]:
    return tuple(replace(source, cited=source.n in cited) for source in sources)


async def rewritten(events: Events, judged: Callable[[], Judged]) -> AsyncGenerator[Event, None]:
    """Each choice's text through a judge of its own, which is emptied before the choice ends."""
    judges: dict[int, Judged] = {}
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                for choice, judge in judges.items():
                    if rest := judge.finish():
                        yield Delta(rest, choice)
                yield event
                continue
            if event.choice not in judges:
                judges[event.choice] = judged()
            judge = judges[event.choice]
            text = judge.feed(event.text) if event.text else ""
            if event.finish:
                text += judge.finish()
            if text or event.fields or event.extra or event.finish:
                yield Delta(text, event.choice, event.fields, event.extra, event.finish)


async def completed(
    events: Events, known: Done, claims: Claims | None = None, trace: Trace | None = None
) -> AsyncGenerator[Event, None]:
    """At the end, what the provider says joined with what was known before.

    The span `judge` runs beside the stream, since the judging is spread over it.
    """
    span = trace.begin("judge") if trace else None
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                event = replace(
                    known, usage=event.usage, fields=event.fields, grounded=event.grounded
                )
                if claims and trace and span:
                    event = claims.weighed(event, span)
                    span.end = trace.elapsed
            yield event
