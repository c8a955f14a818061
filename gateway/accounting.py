"""What a request owes, from the door to the ledger.

A tab is opened when a request comes in and closed exactly once, whether it was refused, failed,
was told whole, was cut, or was left by the client. Only then are limits settled and the row
written; nothing here waits for the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import orjson

from context.tokens import Counter
from gateway.accounts.limits import Hold, Limits
from gateway.adapters.targets import AdapterTargets
from gateway.errors import GatewayError, HandedOver, ProviderError, ProviderTimeout
from gateway.ledger.queries import Queries
from gateway.ledger.types import Request
from gateway.ledger.writer import LedgerWriter
from gateway.metrics.counts import Counts
from gateway.providers.prices import Prices
from gateway.sizes import RESERVED_ANSWER, most_tokens_of_answer, tokens_of
from gateway.spending import together, unpaid
from gateway.strategies.config import StrategiesConfig
from gateway.streams import Choice, Collected, Told, Whole, told
from gateway.tracing.trace import Trace
from gateway.types import NOBODY, Answer, Ask, Caller, Done, Events, Spent, Usage
from routing.catalogue import Catalogue, NoSuchModel
from routing.experiments.drawing import Drawn
from routing.types import Plan, Strategy, Target

TOO_LATE = "too late"  # why a request was cancelled that nobody left
CLIENT_LEFT = 499  # nginx's status for a client that closed the connection
LONGEST_QUESTION = 500  # characters of a question that the list of requests shows
DECIMALS = 12  # of a dollar: a token's price has ten, sums of floats a few more


@dataclass(frozen=True, slots=True)
class Accounting:
    """Limits before, prices and the ledger after."""

    limits: Limits
    prices: Prices
    ledger: LedgerWriter
    queries: Queries
    count: Counter
    counts: Counts  # for metrics
    catalogue: Catalogue
    beside: tuple[Spent, ...] = ()  # what calls may use at most that help a search
    strategies: StrategiesConfig = field(default_factory=StrategiesConfig)
    adapters: AdapterTargets | None = None

    async def reserve(self, caller: Caller, ask: Ask) -> Hold:
        """Take what the request may need from the caller's limits. Raises RateLimited."""
        prompt, completion = self._most(ask, ask.strategy)
        tokens, cost = prompt + completion, 0.0
        if caller.budget_usd is not None:
            cost = self._dearest(self._asked(caller, ask), Usage(prompt, completion))
        for each in self.beside:
            tokens += each.usage.total
            if caller.budget_usd is not None:
                cost += self._dearest(self._targets(each.model), each.usage)
        return await self.limits.reserve(caller, tokens, cost)

    async def extend(self, hold: Hold, plan: Plan, usage: Usage) -> None:
        """Take what so much work of a plan's models needs beyond what is held. Raises
        RateLimited."""
        await hold.extend(usage.total, self._dearest(plan.targets, usage))

    async def extend_for(self, hold: Hold, ask: Ask, plan: Plan, *beside: Spent) -> None:
        """Take what a plan needs beyond what is held: every call of its strategy, the models above
        it, and what is asked beside them. Raises RateLimited."""
        tokens, cost = 0, 0.0
        step: Plan | None = plan
        while step is not None:
            strategy = ask.strategy or (step.strategy if ask.in_words else None)
            usage = Usage(*self._most(ask, strategy))
            tokens += usage.total
            cost += self._dearest(step.targets, usage)
            step = step.stronger if ask.n == 1 else None
        for each in (*self.beside, *beside):
            tokens += each.usage.total
            cost += self._dearest(self._targets(each.model), each.usage)
        await hold.extend(tokens, cost)

    async def reserve_tokens(self, caller: Caller, model: str, tokens: int) -> Hold:
        """Take what work without an answer in words needs from the caller's limits.

        Raises RateLimited."""
        cost = self.prices.cost(model, Usage(prompt=tokens))
        return await self.limits.reserve(caller, tokens, cost)

    def record(self, row: Request, trace: Trace) -> None:
        """A request is over: it is counted, and written behind the response."""
        self.counts.observe(row, trace)
        self.ledger.write(row, trace)

    def _most(self, ask: Ask, strategy: Strategy | None) -> tuple[int, int]:
        """Tokens that all calls of a strategy may read and write."""
        calls = self.strategies.calls(strategy)
        answer = most_tokens_of_answer(ask) or RESERVED_ANSWER
        return tokens_of(ask.messages) * calls, answer * ask.n * calls

    def _asked(self, caller: Caller, ask: Ask) -> Collection[Target]:
        """Who may answer: of an adapter that is named, that one and not the dearest of all."""
        if self.adapters and self.adapters.registry.any:
            named = ask.adapter or (ask.model if self._unknown(ask.model) else "")
            if named and (adapter := self.adapters.of(caller.team, named)):
                return (adapter,)
        return self._targets(ask.model)

    def _unknown(self, model: str) -> bool:
        try:
            self.catalogue.groups(model)
        except NoSuchModel:
            return True
        return False

    def _targets(self, model: str) -> Collection[Target]:
        everything = self.catalogue.targets.values()
        try:
            found = self.catalogue.resolve(model)
        except NoSuchModel:  # `auto`, an adapter, or a name that will be refused
            return everything
        return everything if any(target.keeps_place for target in found) else found

    def _dearest(self, targets: Iterable[Target], usage: Usage) -> float:
        """What it costs at most: which of the models answers is not known yet."""
        return max((self.prices.cost(target.name, usage) for target in targets), default=0.0)


@dataclass(slots=True)
class Tab:
    """One request's account."""

    books: Accounting
    trace: Trace
    ask: Ask | None = None
    caller: Caller | None = None
    hold: Hold | None = None
    first_event: int | None = field(default=None)  # nanoseconds from the trace's start
    beside: tuple[Spent, ...] = ()  # what calls have used besides the one that answers
    several: bool = False  # these were part of the answer, and are in its usage
    drawn: Drawn | None = None  # for a variant of an experiment

    async def __aenter__(self) -> Tab:
        """What fails inside closes the tab; what comes to its end still has to be answered."""
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            await self.failed(error)

    def spend(self, spent: Spent) -> None:
        """A call of a model was made for the request, beside the one that answers it."""
        self.beside = (*self.beside, spent)

    async def reserve_more(self, plan: Plan, usage: Usage) -> None:
        """It takes this much, where that is more than was thought at the door. Raises
        RateLimited."""
        assert self.hold
        await self.books.extend(self.hold, plan, usage)

    async def reserve_for(self, ask: Ask, plan: Plan, *beside: Spent) -> None:
        """It takes what this plan does, and these calls beside it. Raises RateLimited."""
        assert self.hold
        await self.books.extend_for(self.hold, ask, plan, *beside)

    def metered(self, answer: Answer) -> Answer:
        """The same answer, whose end settles the tab."""
        span = self.trace.span("stream")
        self.first_event = span.start

        async def settle(whole: Collected, failure: BaseException | None) -> Done:
            span.end = self.trace.elapsed
            done = whole.done or answer.known
            try:
                done = await self._priced(done, whole)
            finally:  # whoever leaves while it is counted has still been answered
                await self._close(done, failure, whole.text)
            return done

        events: Events
        if not (self.ask and self.ask.stream) and isinstance(answer.events, Told):
            events = Whole(answer.events.events, answer.judge, answer.endings, settle)
        else:
            events = told(answer.events, answer.judge, answer.endings, settle)
        if answer.offered:
            events = answer.offered(events)
        return Answer(events, answer.known, headers=self.hold.headers() if self.hold else ())

    async def answered(self, done: Done) -> Done:
        """Close the tab of a request that was answered at once; returns the end with its cost."""
        cost = self.books.prices.cost(done.model, done.usage) + self._cost_beside()
        done = replace(done, cost_usd=cost)
        await self._close(done, None, "")
        return done

    async def failed(self, error: BaseException) -> None:
        """Close the tab of a request that never began to be answered."""
        self.beside = (*self.beside, *unpaid(error))
        if self.hold and not self.beside:
            await self.hold.release()
            self.hold = None
        await self._close(Done(cost_usd=self._cost_beside()), error, "")

    async def _priced(self, done: Done, whole: Collected) -> Done:
        if _free(done):
            done.cost_usd += self._cost_beside()
            return done
        usage = done.usage
        if not usage.total and self.ask and (said := _said(whole)):
            prompt = done.tokens.get("total") or tokens_of(self.ask.messages)
            # The first count loads a vocabulary, which takes a while.
            completion = await asyncio.to_thread(self.books.count, said)
            usage = done.usage = Usage(prompt, completion, estimated=True)
        if self.several and self.beside:
            own = done.spent or (Spent(done.model, usage),)
            done, self.beside = together(done, (*self.beside, *own)), ()
        price = self.books.prices.cost
        if done.spent:
            cost = sum(price(each.model, each.usage) for each in done.spent)
        else:
            cost = price(done.model, usage)
        done.cost_usd = round(cost + self._cost_beside(), DECIMALS)
        return done

    def _tokens_beside(self) -> int:
        return sum(each.usage.total for each in self.beside) if self.beside else 0

    def _cost_beside(self) -> float:
        price = self.books.prices.cost
        return sum(price(each.model, each.usage) for each in self.beside) if self.beside else 0.0

    async def _close(self, done: Done, failure: BaseException | None, answer: str) -> None:
        if self.hold:
            tokens = 0 if _free(done) else done.usage.total
            await self.hold.settle(tokens + self._tokens_beside(), done.cost_usd)
        if self.ask:
            self.trace.attributes["question"] = self.ask.question
        self.trace.attributes["answer"] = answer
        row = self._row(done, failure)
        for each in self.beside:
            row.prompt_tokens += each.usage.prompt
            row.completion_tokens += each.usage.completion
        self.books.record(row, self.trace)

    def _row(self, done: Done, failure: BaseException | None) -> Request:
        ask, caller, usage = self.ask, self.caller, done.usage
        status, code = _outcome(failure)
        return Request(
            trace_id=self.trace.id,
            at=self.trace.started_at,
            key=caller.key if caller else "",
            team=caller.team if caller else "",
            model_asked=ask.model if ask else "",
            model=done.model,
            provider=done.model.partition("/")[0],
            route=done.route,
            collection=done.collection or "",
            grounding=done.grounding,
            cache=done.cache,
            stream=ask.stream if ask else False,
            status=status,
            error_code=code,
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cached_tokens=usage.cached,
            reasoning_tokens=usage.reasoning,
            cost_usd=done.cost_usd,
            latency_ms=self.trace.elapsed / 1e6,
            ttft_ms=self.first_event / 1e6 if self.first_event else None,
            grounded=done.grounded,
            faithfulness=done.faithfulness,
            sources=len(done.sources),
            question=ask.question[:LONGEST_QUESTION] if ask else "",
            door=ask.door if ask else "",
            degraded="hand-over" if isinstance(failure, HandedOver) else done.degraded,
            attempts=_attempts(self.trace),
            context=done.tokens,
            experiment=self.drawn.label if self.drawn else None,
            unit=self.drawn.unit if self.drawn else None,
        )


def _said(whole: Collected) -> str:
    """All that the model wrote: text, thoughts, calls of tools."""
    try:
        return "".join(map(_written, whole.choices.values()))
    except ProviderError:
        return whole.text  # as much of it as can be read


def _written(choice: Choice) -> str:
    beside = {name: said for name, said in choice.fields.items() if said and name != "role"}
    return choice.text + (orjson.dumps(beside).decode() if beside else "")


def _free(done: Done) -> bool:
    """Whether no model was asked for the answer, or none gave it."""
    again = done.cache in ("exact", "semantic", "shared")
    return again or done.degraded in ("extract", "canned") or done.model == NOBODY


def _attempts(trace: Trace) -> int:
    """How often a model was called."""
    called = 0
    for span in trace.spans:
        if attempts := span.attributes.get("attempts"):
            called += len(attempts)
    return called


def _outcome(failure: BaseException | None) -> tuple[int, str | None]:
    """HTTP status and code of a request's end."""
    match failure:
        case None:
            return 200, None
        case GatewayError():
            return failure.status, failure.code or failure.type
        case asyncio.CancelledError(args=(reason,)) if reason == TOO_LATE:
            return ProviderTimeout.status, ProviderTimeout.code
        case GeneratorExit() | asyncio.CancelledError():
            return CLIENT_LEFT, "client_left"
    return 500, "internal_error"
