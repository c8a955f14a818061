"""One long text on its way through all of its parts: the calls, and what they say.

A part that no model reads, asked twice, fails the request: nothing is left out. What is left out
of a note, because it was cut, is counted and told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from context.long_documents.asking import Note
from context.long_documents.cutting import Part
from context.long_documents.planning import Scheme, neighbours
from context.quoting import harmless
from context.tokens import Tokenizer, messages_tokens
from context.types import Prompt
from gateway.accounting import Tab
from gateway.degrade.ladder import UNANSWERED, Ladder, Unanswered
from gateway.dispatch import Begun
from gateway.errors import GatewayError, NoModelAvailable
from gateway.judging import Judge
from gateway.long_documents.cases import Case, Cases, Reading, writing_only
from gateway.long_documents.cases import told as told_of
from gateway.spending import broken_off, share
from gateway.streams import Choice, Collected, collect, told
from gateway.structured import Starter
from gateway.tracing.trace import Span, Trace
from gateway.types import Answer, Ask, Done, Events, Progress, Usage
from routing.types import Plan

_KEPT = frozenset({"user", "safety_identifier", "service_tier", "reasoning_effort"})
"""Parameters that hold for the calls on the way, too. All others are the answer's own."""


@dataclass(frozen=True, slots=True)
class House:
    """What every piece of work has at its disposal."""

    parts: Starter  # who reads parts
    answers: Starter  # who answers, in the form that is asked for
    judge: Judge
    ladder: Ladder
    cases: Cases


@dataclass(slots=True)
class Work:
    """One long text on its way through all of its parts."""

    house: House
    tab: Tab
    case: Case
    way: Reading
    whole_plan: Plan
    trace: Trace
    plan: Plan = field(init=False)  # of it, who writes
    done: int = 0  # calls
    cut: int = 0  # of them, whose note ends before its end
    outcome: dict[str, Any] = field(default_factory=dict)  # of its Done, where it became another

    def __post_init__(self) -> None:
        self.plan = writing_only(self.whole_plan)

    @property
    def scheme(self) -> Scheme:
        return self.way.scheme

    @property
    def count(self) -> Tokenizer:
        return self.house.cases.windows.tokenizer(self.plan)

    def answer(self, missed: Unanswered) -> Answer:
        """An answer that begins with its progress. Nothing has been asked yet."""
        self.tab.several = True
        begun = Begun(self._events(missed), self.plan.targets[0])
        answer = self.house.judge.judged(
            begun, Prompt(()), None, self.plan, missed.recall.state, self.trace
        )
        answer.known.long_document = told_of(self.way)

        async def as_it_went(whole: Collected, done: Done) -> Done:
            return replace(done, **self.outcome, incomplete=self.cut > 0)

        answer.endings = (*answer.endings, as_it_went)
        return answer

    async def _events(self, missed: Unanswered) -> Events:
        try:
            notes: list[Note] = []
            last = self.scheme.parts[-1] if self.scheme.method == "refine" else None
            reading = self._refined(notes) if last else self._mapped(notes)
            async with aclosing(reading) as steps:
                async for progress in steps:
                    yield progress
            yield self._progress("answer")
            with self.trace.span("pack") as span:
                prompt = await asyncio.to_thread(self._last, notes, last)
                span.set(prompt=prompt.messages, tokens=prompt.tokens)
            with self.trace.span("dispatch") as span:
                begun = await self.house.answers.start(prompt, self.plan, self.case.ask, span)
            self.outcome = {
                "model": begun.target.name,
                "tokens": prompt.tokens,
                "long_document": {**told_of(self.way), "cut": self.cut},
            }
            if begun.fallback:
                self.outcome["degraded"] = "fallback"
            events = begun.events
        except UNANSWERED as failure:
            events = await self._instead(failure, missed)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _mapped(self, notes: list[Note]) -> AsyncGenerator[Progress]:
        """Notes on every part, and then on notes, until the last call can read them all."""
        scheme, asking, of = self.scheme, self.way.asking, len(self.scheme.parts)
        prompts = [asking.part(part, of, scheme.note) for part in scheme.parts]
        found = [Note(part.number, part.number, "") for part in scheme.parts]
        async with aclosing(self._level("long_document.parts", prompts, found)) as steps:
            async for progress in steps:
                yield progress
        for calls in scheme.levels[1:-1]:
            groups = [[found[i] for i in group] for group in neighbours(len(found), calls)]
            prompts = [asking.join(group, of, scheme.note) for group in groups]
            found = [Note(group[0].first, group[-1].last, "") for group in groups]
            async with aclosing(self._level("long_document.joined", prompts, found)) as steps:
                async for progress in steps:
                    yield progress
        notes += found

    async def _refined(self, notes: list[Note]) -> AsyncGenerator[Progress]:
        """One part after another, but for the last, which the last call reads itself."""
        parts, of = self.scheme.parts, len(self.scheme.parts)
        with self.trace.span("long_document.refined") as span:
            for part in parts[:-1]:
                prompt = self.way.asking.refine(
                    notes[0] if notes else None, part, of, self.scheme.note
                )
                said = await self._twice(prompt, f"part {part.number}", span)
                notes[:] = [Note(1, part.number, said)]
                yield self._progress("refined")

    async def _level(
        self, name: str, prompts: Sequence[Prompt], notes: list[Note]
    ) -> AsyncGenerator[Progress]:
        """Ask all of them, so many at once, and fill in the notes. What nobody answers is asked
        again when nothing else is under way, and nothing new is asked before."""
        waiting, again = deque(range(len(prompts))), deque[int]()
        running: dict[asyncio.Task[str], int] = {}
        with self.trace.span(name) as span:
            try:
                while waiting or running or again:
                    if again and not running:
                        place = again.popleft()
                        said = await self._said(prompts[place], f"part {notes[place].of}", span)
                        notes[place] = replace(notes[place], text=said)
                        yield self._progress(name)
                        continue
                    while waiting and not again and len(running) < self._most:
                        place = waiting.popleft()
                        asking = self._said(prompts[place], f"part {notes[place].of}", span)
                        running[asyncio.create_task(asking)] = place
                    ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        place = running.pop(task)
                        try:
                            notes[place] = replace(notes[place], text=task.result())
                        except UNANSWERED:
                            again.append(place)
                        else:
                            yield self._progress(name)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    @property
    def _most(self) -> int:
        return self.house.cases.config.long_documents.max_parallel

    async def _twice(self, prompt: Prompt, what: str, span: Span) -> str:
        try:
            return await self._said(prompt, what, span)
        except UNANSWERED:
            return await self._said(prompt, what, span)

    async def _said(self, prompt: Prompt, what: str, level: Span) -> str:
        """What one call says, as much as is kept of it. Raises what the dispatcher raises."""
        ask = self.case.ask
        params = {key: value for key, value in ask.params.items() if key in _KEPT}
        params |= {"max_tokens": self.scheme.note + self.scheme.thoughts, "temperature": 0}
        asked = Ask(ask.model, prompt.messages, "", params, deadline=ask.deadline)
        span = Span(what, self.trace.elapsed)  # its level's stands in the trace
        try:
            begun = await self.house.parts.start(prompt, self.plan, asked, span)
            whole = await collect(begun.events)
        except asyncio.CancelledError:
            if spent := broken_off(span, prompt):
                self.tab.spend(spent)
            raise
        except NoModelAvailable as error:
            raise NoModelAvailable(
                f"No model read {what} of {len(self.scheme.parts)} of the text. {error.message}",
                retry_after=error.retry_after,
            ) from error
        finally:
            level.attributes.setdefault("attempts", []).extend(span.attributes["attempts"])
        usage = whole.done.usage if whole.done else Usage()
        spent = await share(begun.target.name, usage, prompt, whole.text, self.count)
        self.tab.spend(spent)
        said = whole.choices.get(0, Choice())
        if said.fields.get("refusal") or said.finish == "content_filter":
            raise NoModelAvailable(f"A model refused to read {what} of the text.")
        if not said.text.strip():
            raise NoModelAvailable(f"A model wrote nothing of {what} of the text.")
        self.done += 1
        note = await asyncio.to_thread(self._kept, said.text)
        if said.finish == "length" or len(note) < len(said.text):
            self.cut += 1
            level.attributes.setdefault("cut", []).append(what)
        return note

    def _kept(self, text: str) -> str:
        """A note of the length that was planned with."""
        most = self.scheme.kept
        if self.count(harmless(text)) <= most:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high) if self.count(harmless(text[:middle])) <= most else (low, middle - 1)
            )
        return text[:low]

    def _last(self, notes: Sequence[Note], part: Part | None) -> Prompt:
        prompt = self.way.asking.last(notes, len(self.scheme.parts), part)
        total = messages_tokens(prompt.messages, self.count)
        read = sum(self.count(note.text) for note in notes) + (part.tokens if part else 0)
        return replace(prompt, tokens={"sources": read, "question": total - read, "total": total})

    async def _instead(self, failure: GatewayError, missed: Unanswered) -> Events:
        """What the ladder says instead, as events. Raises as it does."""
        prompt = await asyncio.to_thread(self.house.cases.quotes, self.case, self.count)
        missed = replace(missed, prompt=prompt)
        answer = await self.house.ladder.instead(failure, missed, self.trace)
        known = answer.known
        self.outcome = {
            "model": known.model,
            "degraded": known.degraded,
            "grounding": known.grounding,
            "sources": known.sources,
        }
        return told(answer.events, answer.judge, answer.endings)

    def _progress(self, step: str) -> Progress:
        return Progress(self.done, self.scheme.calls, step.rpartition(".")[2])
