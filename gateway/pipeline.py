"""The life of one request, top to bottom.

`Gateway.answer` is the way: one line a stage, a value in and a value out. What a stage does is in
the module that it is named after; this page says only in what order they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.accounting import Accounting, Tab
from gateway.accounts.keys import Accounts
from gateway.adapters.registry import Registry
from gateway.admission import Admission
from gateway.cascade import Cascade
from gateway.config import Config
from gateway.conversations.store import Conversations
from gateway.deadline import within
from gateway.degrade.ladder import UNANSWERED, Ladder, Unanswered
from gateway.dispatch import Dispatcher
from gateway.embedding.models import EmbeddingModels
from gateway.embedding.types import EmbeddingAnswer, EmbeddingAsk
from gateway.errors import GatewayError
from gateway.expanding import Expanding
from gateway.experiments import Experiments
from gateway.filing.files import Files
from gateway.filing.shelves import Shelves
from gateway.fleet.fleets import Fleets
from gateway.following import Following, followed
from gateway.grounding import Library, embedded, not_in_documents, numbered
from gateway.judging import Judge
from gateway.known import KnownAnswers, Recall
from gateway.long_documents.answering import LongDocuments
from gateway.lookup import Found, Lookup, Ranked, RerankAsk, SearchAsk
from gateway.messages import refuse_number
from gateway.metrics.page import Metrics
from gateway.recap import Recaps
from gateway.routes import Router
from gateway.screening import NOTHING, Screen
from gateway.shadows import Shadows
from gateway.tracing.trace import Trace
from gateway.types import LOCAL, Answer, Ask, Caller, Done, Usage
from retrieval.types import Encoder, Query
from routing.experiments.drawing import Drawn

if TYPE_CHECKING:  # numpy: not for the import of the door
    from gateway.examples import Examples


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that a request needs, built once by gateway/build.py."""

    config: Config
    accounts: Accounts  # keys → callers
    accounting: Accounting  # limits, budgets, prices, the ledger
    screen: Screen  # guards over what comes in and what was found
    known: KnownAnswers  # the answer cache
    encoder: Encoder
    embeddings: EmbeddingModels  # of clients' own texts
    conversations: Conversations  # responses that may be continued
    experiments: Experiments | None  # what is other for whom
    router: Router  # which model
    adapters: Registry  # of models, by the names that callers know
    following: Following | None  # a model that makes follow-ups stand-alone
    expanding: Expanding | None  # a model that words questions otherwise
    library: Library  # which documents
    recaps: Recaps | None  # a model that sums up turns that do not fit
    examples: Examples | None  # how other questions were answered
    lookup: Lookup  # documents alone, without an answer
    files: Files  # that clients have uploaded
    shelves: Shelves  # collections that they make of them
    dispatcher: Dispatcher  # the models themselves
    shadows: Shadows  # revisions of adapters that are tried out, seen by nobody
    answers: Cascade  # what they answer: in its form, in several calls, by a stronger one
    long_documents: LongDocuments  # texts that are read in parts
    ladder: Ladder  # what stands in for them
    judge: Judge  # guards over what goes out: citations, faithfulness
    admission: Admission  # how many at once; asked at the door
    fleets: Fleets  # replicas, and the adapters that they have
    metrics: Metrics  # what was counted, told at /metrics

    async def answer(self, authorization: str | None, ask: Ask, trace: Trace) -> Answer:
        """An answer that has begun. Until then every failure is raised as a GatewayError."""
        if trace.deadline is not None and ask.deadline is None:
            ask = replace(ask, deadline=trace.deadline)
        tab = Tab(self.accounting, trace, ask)
        try:
            with trace.span("authenticate"):
                tab.caller = self.accounts.identify(authorization)
            refuse_number(ask.messages, self.config.server.max_messages)
            with trace.span("reserve"):
                tab.hold = await self.accounting.reserve(tab.caller, ask)
            return tab.metered(await self._compose(tab, tab.caller, ask, trace))
        except BaseException as error:
            await tab.failed(error)
            raise

    async def answer_here(self, ask: Ask, trace: Trace) -> Answer:
        """The same for a command on this machine, of which no key is asked."""
        async with Tab(self.accounting, trace, ask) as tab:
            tab.caller = Caller(LOCAL, LOCAL)
            tab.hold = await trace.step("reserve", self.accounting.reserve(tab.caller, ask))
            return tab.metered(await self._compose(tab, tab.caller, ask, trace))

    async def embed(
        self, authorization: str | None, ask: EmbeddingAsk, trace: Trace
    ) -> EmbeddingAnswer:
        """Vectors of the client's own texts, and what they came to. Raises GatewayError."""
        async with Tab(self.accounting, trace, Ask(ask.model, (), "", door="embeddings")) as tab:
            with trace.span("authenticate"):
                tab.caller = self.accounts.identify(authorization)
            regions = self.router.regions(tab.caller)
            model = self.embeddings.chosen(tab.caller, ask.model, regions)
            tokens = await model.measured(ask)
            reserving = self.accounting.reserve_tokens(tab.caller, model.name, tokens)
            tab.hold = await trace.step("reserve", reserving)
            with trace.span("embed") as span:
                made = await within(trace, model.embed(ask, tokens, span))
        headers = tab.hold.headers()
        done = await tab.answered(Done(usage=made.usage, model=model.name))
        return EmbeddingAnswer(made.vectors, done, headers)

    async def search(self, authorization: str | None, ask: SearchAsk, trace: Trace) -> Found:
        """Passages of a collection, and no answer made of them. Raises GatewayError."""
        async with Tab(self.accounting, trace, Ask("", (), ask.question, door="search")) as tab:
            with trace.span("authenticate"):
                tab.caller = self.accounts.identify(authorization)
            model, tokens = self.lookup.encoder_name, self.lookup.question_tokens(ask)
            reserving = self.accounting.reserve_tokens(tab.caller, model, tokens)
            tab.hold = await trace.step("reserve", reserving)
            regions = self.router.regions(tab.caller)
            finding = self.lookup.search(tab.caller, ask, trace, tab.spend, regions)
            hits = await within(trace, finding)
        headers = tab.hold.headers()
        done = await tab.answered(Done(usage=Usage(prompt=tokens), model=model))
        return Found(hits, done, headers)

    async def rerank(self, authorization: str | None, ask: RerankAsk, trace: Trace) -> Ranked:
        """How much each of the client's texts bears on a question. Raises GatewayError."""
        async with Tab(self.accounting, trace, Ask("", (), ask.question, door="rerank")) as tab:
            with trace.span("authenticate"):
                tab.caller = self.accounts.identify(authorization)
            model, tokens = self.lookup.reranker_name, self.lookup.pairs_tokens(ask)
            reserving = self.accounting.reserve_tokens(tab.caller, model, tokens)
            tab.hold = await trace.step("reserve", reserving)
            scores = await within(trace, self.lookup.rerank(ask, trace))
        headers = tab.hold.headers()
        done = await tab.answered(Done(usage=Usage(prompt=tokens), model=model))
        return Ranked(scores, done, headers)

    async def refused(
        self, authorization: str | None, error: GatewayError, trace: Trace, door: str
    ) -> None:
        """Account for a request that could not even be read. Raises Unauthorized before."""
        tab = Tab(self.accounting, trace, Ask("", (), "", door=door))
        tab.caller = self.accounts.identify(authorization)
        trace.span("read").error = error.message
        await tab.failed(error)

    async def recalled(self, caller: Caller, ask: Ask, trace: Trace) -> tuple[Recall, Drawn | None]:
        """The request as it goes on, with what it has to do with earlier answers, and for which
        variant its caller was drawn."""
        drawn = None
        with trace.span("screen") as span:
            ask = await self.screen.request(ask, span)
        if regions := self.router.regions(caller, ask.region):
            ask = replace(ask, within=regions)
        if self.experiments:
            with trace.span("experiment") as span:
                ask, drawn = self.experiments.assigned(caller, ask, span)
        if self.adapters.any or ask.adapter:
            ask = self.router.adapted(caller, ask)
        grounds = await self.library.grounds(caller, ask)
        return await self.known.recall(caller, ask, grounds, trace), drawn

    async def _compose(self, tab: Tab, caller: Caller, ask: Ask, trace: Trace) -> Answer:
        recall, tab.drawn = await self.recalled(caller, ask, trace)
        if answer := await recall.at_once():
            return answer
        return await recall.led(lambda: self._made(tab, caller, recall))

    async def _made(self, tab: Tab, caller: Caller, recall: Recall) -> Answer:
        trace, ask, grounds = tab.trace, recall.ask, recall.grounds
        only = trace.wishes.only  # an answer that is there: no model is asked for it
        if grounds and self.following and not only:
            ask = await self.following.followed(ask, trace, tab.spend)
        elif grounds and self.config.grounding.follow_ups != "off":
            ask = followed(ask, trace)

        # The one embedding of this request: cache, router, retriever and examples share it.
        query = None
        similar = recall.scope is not None and self.config.cache.semantic.enabled
        if grounds or similar or self.examples or self.router.embeds(ask):
            query = await trace.step("embed", embedded(self.encoder, ask.question, grounds))
        # Of a long text a vector shows the beginning alone.
        if answer := await recall.near(None if ask.long_document else query):
            return answer

        with trace.span("route") as span:
            plan = self.router.plan(caller, ask, grounds is not None, span, query)
        if plan.within:
            ask = replace(ask, within=plan.within)
        if ask.long_document:
            reading = self.long_documents.answer(tab, ask, plan, recall, trace)
            if answer := await reading:
                return recall.kept(answer)
        if plan.strategy or plan.stronger or tab.drawn:
            await tab.reserve_for(ask, plan)
        found = NOTHING
        if grounds and query:
            more: Sequence[Query] = ()
            if self.expanding and not only:
                more = await self.expanding.more(
                    ask.question, trace, tab.spend, ask.deadline, ask.within
                )
            with trace.span("retrieve") as span:
                hits = await self.library.search(grounds, query, span, more)
            with trace.span("screen.sources") as span:
                found = self.screen.passages(hits, grounds.collection, span)
            if answer := await recall.confirmed(found):
                return answer
            if await self.library.silent(grounds, ask.question, found, plan):
                return recall.kept(not_in_documents(grounds, plan, recall.state))

        with trace.span("pack") as span:
            if plan.prompt:
                ask = self.library.told(ask, plan.prompt, span)
            prompt = await self.library.pack(ask, grounds, found, plan, span)
            if prompt.left_out and self.recaps:
                await tab.reserve_for(ask, plan, self.recaps.most)
                left = prompt.left_out
                summary = await self.recaps.of(caller, ask, left, trace, tab.spend)
                if summary:
                    prompt = await self.library.pack(ask, grounds, found, plan, span, summary)
            if self.examples:
                prompt = await self.examples.shown(prompt, ask, query, plan, span)
            self.library.watch(prompt, plan, span)
            numbered(trace, prompt)
        try:
            with trace.span("dispatch") as span:
                begun = await self.answers.start(prompt, plan, ask, span, tab.spend)
        except UNANSWERED as failure:
            missed = Unanswered(ask, plan, prompt, grounds, recall)
            return await self.ladder.instead(failure, missed, trace)
        answer = self.judge.judged(begun, prompt, grounds, plan, recall.state, trace)
        if begun.target.adapts:
            self.shadows.follow(answer, begun, prompt, caller, ask, trace)
        return recall.kept(answer)
