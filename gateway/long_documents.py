"""A text that is longer than the window: read in parts by several calls, or searched for an answer.

How it is cut and by how many calls it is read is decided in context/long_documents; this module
makes the calls. All of them go through the dispatcher, count as the request's, and are reserved
before the first is made. A part that no model reads fails the request: nothing is left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from context.budget import Budget
from context.config import ContextConfig
from context.long_documents.apart import Apart, apart, pointed, summarising, words_of
from context.long_documents.asking import Asking, Note
from context.long_documents.cutting import Part, structured
from context.long_documents.planning import Method, Scheme, Window, neighbours, planned
from context.long_documents.selecting import passages, ranked, within
from context.prompts.catalogue import Prompts
from context.quoting import harmless
from context.tokens import Counter, Tokenizer, messages_tokens
from context.types import Prompt, Source
from context.types import PromptTooLong as DoesNotFit
from gateway.accounting import Tab
from gateway.degrade.ladder import UNANSWERED, Ladder, Unanswered
from gateway.dispatch import Begun
from gateway.errors import GatewayError, InvalidRequest, NoModelAvailable, PromptTooLong
from gateway.grounding import Library, Plausible
from gateway.judging import Judge
from gateway.known import Recall
from gateway.screening import Screened
from gateway.spending import broken_off, share
from gateway.streams import Collected, collect, told
from gateway.structured import Starter
from gateway.tracing.trace import Span, Trace
from gateway.types import Answer, Ask, Done, Events, Grounding, Progress, Usage
from gateway.windows import Windows, most_tokens_of_answer
from retrieval.types import Document, Hit, Passage
from routing.types import Plan

READ_FIRST = 20
"""Passages by which it is told whether a text answers at all."""

_ELSEWHERE = "[The text. Passages of it are quoted as sources.]"

_KEPT = frozenset({"user", "safety_identifier", "service_tier", "reasoning_effort"})
"""Parameters that hold for the calls on the way, too. All others are the answer's own."""


@dataclass(frozen=True, slots=True)
class OwnText:
    """What an answer stands on that quotes the text which came with its request."""

    collection: str = ""
    mode: Grounding = "strict"


OWN_TEXT = OwnText()


@dataclass(frozen=True, slots=True)
class Quoting:
    """It is answered from passages of the text: from those that bear on the question, or, where
    they are the summary, from `whole` of them."""

    hits: tuple[Hit, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """It is read from its beginning to its end."""

    scheme: Scheme
    asking: Asking
    most: Usage  # that all calls use


@dataclass(frozen=True, slots=True)
class Case:
    """A request with a text that is too long, and what is to be done with it."""

    ask: Ask
    apart: Apart
    document: Document
    way: Quoting | Reading
    tokens: int  # of the whole request


class LongDocuments:
    """Answers what is asked of long texts."""

    def __init__(
        self,
        parts: Starter,
        answers: Starter,
        library: Library,
        judge: Judge,
        ladder: Ladder,
        prompts: Prompts,
        windows: Windows,
        config: ContextConfig,
        plausible: Plausible,
    ) -> None:
        self.parts = parts  # who reads parts
        self.answers = answers  # who answers, in the form that is asked for
        self.judge = judge
        self.ladder = ladder
        self.windows = windows
        self.config = config
        self._library = library
        self._prompts = prompts
        self._plausible = plausible

    async def answer(
        self, tab: Tab, ask: Ask, plan: Plan, recall: Recall, trace: Trace
    ) -> Answer | None:
        """None where it fits the window, and is answered as ever. Raises PromptTooLong where it
        cannot be read in parts either, InvalidRequest where that takes too many calls, and
        RateLimited where the caller's limits do not allow them."""
        with trace.span("long_document") as span:
            case = await asyncio.to_thread(self.looked_at, ask, plan)
            if case is None:
                return None
            span.set(task=case.apart.task, tokens=case.tokens, **_told(case.way))
            if isinstance(case.way, Reading):
                await tab.reserve_again(case.way.most)
        if isinstance(case.way, Quoting):
            return await self._quoted(case, case.way, plan, recall, trace)
        work = _Work(self, tab, case, case.way, self._writing(plan), trace)
        return work.answer(Unanswered(ask, plan, Prompt(()), OWN_TEXT, recall))

    def looked_at(self, ask: Ask, plan: Plan) -> Case | None:
        """What is to be done, if it does not fit. Computes: not for the event loop."""
        writing = self._writing(plan)
        count = self.windows.tokenizer(plan)
        tokens = messages_tokens(ask.messages, count)
        window = self._window(ask, writing)
        found = apart(ask.messages)
        if found is None or (writing.targets and tokens <= window.usable - window.answer):
            return None
        document = ask.document
        if document is None or document.text != found.document:  # a guard may have changed it
            document = structured(found.document)
        way: Quoting | Reading
        if not writing.targets:
            way = self._by_quotes(found, document, count)
        elif ask.long_document == "auto" and (hits := self._that_answer(found, document, count)):
            way = Quoting(hits)
        else:
            way = self._by_parts(ask, found, document, writing, window)
        return Case(ask, found, document, way, tokens)

    def quotes(self, case: Case, count: Counter) -> Prompt:
        """What stands in for an answer where no model writes one."""
        return self._prompt_of(case, self._by_quotes(case.apart, case.document, count))

    def _writing(self, plan: Plan) -> Plan:
        """The plan's models that write. Where the first one quotes, that is what is wanted."""
        if plan.targets[0].built_in:
            return plan.regrouped(())
        return plan.regrouped(g.only(t for t in g.targets if not t.built_in) for g in plan.groups)

    def _window(self, ask: Ask, writing: Plan) -> Window:
        if not writing.targets:
            return Window(0, 0)
        size, count = writing.window, self.windows.tokenizer(writing)
        answer = most_tokens_of_answer(ask) or min(writing.max_output, size // 4)
        beside = sum(self.windows.beside(ask, writing, count).values())
        budget = Budget.of(size, answer, beside, count.error, self.config)
        return Window(budget.room + answer, answer)

    def _by_quotes(self, found: Apart, document: Document, count: Counter) -> Quoting:
        if not summarising(found.task):
            return Quoting(self._bearing(found, document, count))
        from retrieval.support.gist import gist  # numpy: not for the import of the door

        spans = gist(_prose(document), words_of(found.task))
        said = [
            Passage(f"{start}-{end}", document.source, "", number, document.title, (), text, *span)
            for number, span in enumerate(spans)
            for start, end in [span]
            for text in [document.text[start:end]]
        ]
        return Quoting(tuple(Hit(_placed(passage), 1.0) for passage in said), whole=True)

    def _that_answer(
        self, found: Apart, document: Document, count: Counter
    ) -> tuple[Hit, ...] | None:
        """Passages that may answer, where it is a question that some passage may."""
        if not pointed(found.task):
            return None
        hits = self._bearing(found, document, count)
        return hits if hits and self._plausible(found.task, hits[:READ_FIRST]) else None

    def _bearing(self, found: Apart, document: Document, count: Counter) -> tuple[Hit, ...]:
        hits = ranked(found.task, passages(document, count))
        kept = within(hits, count, self.config.long_documents.passages_tokens)
        return tuple(replace(hit, passage=_placed(hit.passage)) for hit in kept)

    def _by_parts(
        self, ask: Ask, found: Apart, document: Document, writing: Plan, window: Window
    ) -> Reading:
        config = self.config.long_documents
        count = self.windows.tokenizer(writing)
        asking = Asking(found, document, self._prompts)
        asked = ask.long_document
        method: Method = "map_reduce" if asked is None or asked == "auto" else asked
        frames = asking.frames(count, config.note_tokens)

        def shown(text: str) -> int:
            return count(harmless(text))

        try:
            scheme = planned(document, method, window, frames, shown, config)
        except DoesNotFit as error:
            raise PromptTooLong(
                f"The text cannot be read in parts: what stands around one takes {error.tokens} "
                f"tokens, of {error.window} that the model has for a prompt and its answer.",
                param="messages",
            ) from None
        if scheme.calls > config.max_calls:
            raise InvalidRequest(
                f"The text has {len(scheme.parts)} parts, and {scheme.calls} calls are more than "
                f"{config.max_calls} (context.long_documents.max_calls).",
                param="messages",
            )
        return Reading(scheme, asking, Usage(scheme.prompt, scheme.completion, estimated=True))

    async def _quoted(
        self,
        case: Case,
        way: Quoting,
        plan: Plan,
        recall: Recall,
        trace: Trace,
    ) -> Answer:
        """The answer to a question, from passages that are cited like any other's."""
        ask = replace(case.ask, question=case.apart.task)
        with trace.span("pack") as span:
            if way.whole or not way.hits:
                prompt = self._prompt_of(case, way)
                span.set(prompt=prompt.messages)
            else:
                packed = replace(ask, messages=case.apart.with_material(_ELSEWHERE))
                prompt = await self._library.pack(packed, OWN_TEXT, Screened(way.hits), plan, span)
        try:
            with trace.span("dispatch") as span:
                begun = await self.answers.start(prompt, plan, ask, span)
        except UNANSWERED as failure:
            missed = Unanswered(ask, plan, prompt, OWN_TEXT, recall)
            return await self.ladder.instead(failure, missed, trace)
        answer = self.judge.judged(begun, prompt, OWN_TEXT, plan, recall.state, trace)
        answer.known.long_document = _told(way)
        return answer

    def _prompt_of(self, case: Case, way: Quoting) -> Prompt:
        """What the model that quotes is given: it reads nothing but the sources."""
        sources = tuple(Source(number, hit) for number, hit in enumerate(way.hits, 1))
        messages = ({"role": "user", "content": case.apart.task},)
        return Prompt(messages, sources, question=case.apart.task, whole=way.whole)


@dataclass(slots=True)
class _Work:
    """One long text on its way through all of its parts."""

    house: LongDocuments
    tab: Tab
    case: Case
    way: Reading
    plan: Plan
    trace: Trace
    done: int = 0  # calls
    outcome: dict[str, Any] = field(default_factory=dict)  # of its Done, where it became another

    @property
    def scheme(self) -> Scheme:
        return self.way.scheme

    @property
    def count(self) -> Tokenizer:
        return self.house.windows.tokenizer(self.plan)

    def answer(self, missed: Unanswered) -> Answer:
        """An answer that begins with its progress. Nothing has been asked yet."""
        self.tab.several = True
        begun = Begun(self._events(missed), self.plan.targets[0])
        answer = self.house.judge.judged(
            begun, Prompt(()), None, self.plan, missed.recall.state, self.trace
        )
        answer.known.long_document = _told(self.way)

        async def as_it_went(whole: Collected, done: Done) -> Done:
            return replace(done, **self.outcome)

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
            self.outcome = {"model": begun.target.name, "tokens": prompt.tokens}
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
        return self.house.config.long_documents.max_parallel

    async def _twice(self, prompt: Prompt, what: str, span: Span) -> str:
        try:
            return await self._said(prompt, what, span)
        except UNANSWERED:
            return await self._said(prompt, what, span)

    async def _said(self, prompt: Prompt, what: str, level: Span) -> str:
        """What one call says, as much as is kept of it. Raises what the dispatcher raises."""
        ask = self.case.ask
        params = {key: value for key, value in ask.params.items() if key in _KEPT}
        params |= {"max_tokens": self.scheme.note, "temperature": 0}
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
        self.done += 1
        return await asyncio.to_thread(self._kept, whole.text, what, level)

    def _kept(self, text: str, what: str, level: Span) -> str:
        """A note of the length that was planned with. Raises NoModelAvailable for none at all."""
        if not text.strip():
            raise NoModelAvailable(f"A model wrote nothing of {what} of the text.")
        most = self.scheme.kept
        if self.count(harmless(text)) <= most:
            return text
        level.attributes.setdefault("cut", []).append(what)
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
        prompt = await asyncio.to_thread(self.house.quotes, self.case, self.count)
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


def _prose(document: Document) -> str:
    """The text with blanks where it has tables and code, of which no line says anything alone."""
    kept = list(document.text)
    for block in document.blocks:
        if block.kind in ("table", "code"):
            kept[block.start : block.end] = " " * (block.end - block.start)
    return "".join(kept)


def _placed(passage: Passage) -> Passage:
    """With an address: characters of the text, as RFC 5147 writes them."""
    url = f"{passage.document}#char={passage.start},{passage.end}"
    return replace(passage, meta={**passage.meta, "url": url})


def _told(way: Quoting | Reading) -> dict[str, Any]:
    """What answer and trace say of it."""
    if isinstance(way, Quoting):
        method = "extract" if way.whole else "passages"
        return {"method": method, "passages": len(way.hits), "calls": 1}
    scheme = way.scheme
    return {"method": scheme.method, "parts": len(scheme.parts), "calls": scheme.calls}
