"""Answers given before: which may be given again, and to whom.

The folder `cache` keeps opaque bytes under a scope; in which form an answer is kept is in
gateway/keeping.py. An answer that stood on documents is given again where they are in the edition
that it was made from; where they have changed since, only if the new search finds what it stood on.
A cache that is down is a miss, never an error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, TypeVar

from cache.config import CacheConfig
from cache.keys import LONGEST_QUESTION, cacheable, digest, scope, settled
from cache.types import AnswerCache, CacheDown, Candidate, Entry, Scope
from cache.verification.pairs import LONGEST
from cache.verification.types import NOTHING as NO_VERDICT
from cache.verification.types import Verdict, Verifier
from context.types import NOT_IN_DOCUMENTS
from gateway.errors import NotCached
from gateway.flights import Flights
from gateway.grounding import Grounds, url_of
from gateway.keeping import told_again, written
from gateway.messages import size_of
from gateway.refusals import refuses
from gateway.screening import LONG, NOTHING, Screened
from gateway.streams import Choice, Collected
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, CacheState, Caller, Done, Step
from gateway.wishes import Wishes
from retrieval.index.access import stored
from retrieval.types import Encoder, Query, RetrievalError, versioned

log = logging.getLogger("moorline")
T = TypeVar("T")

UNRELATED = frozenset({"user", "metadata", "store", "safety_identifier", "service_tier"})
"""Parameters that do not change what is said."""
_ELSEWHERE = {
    "messages",
    "document",
    "question",
    "params",
    "collection",
    "top_k",
    "grounding",
    "where",
}
_TOLD = {"stream", "include_usage", "use_cache", "deadline", "door", "verbatim"}
_NOT_SAID = {"key", "name", "admin", "requests_per_minute", "tokens_per_minute", "budget_usd"}
OF_THE_ASK = tuple(each.name for each in fields(Ask) if each.name not in _ELSEWHERE | _TOLD)
OF_THE_CALLER = tuple(
    each.name
    for each in fields(Caller)
    if each.name not in _NOT_SAID | {"collection", "groups"}  # which the grounds tell
)
"""What has to be equal besides: all but what is compared in another form, and what changes only
how the answer is told, or how often. A field that is new is compared."""
_of_ask, _of_caller = attrgetter(*OF_THE_ASK), attrgetter(*OF_THE_CALLER)
_ORDER = digest([OF_THE_CALLER, OF_THE_ASK])  # of the values, which are compared without names
_FRAME = 2  # tokens that an encoder puts around every text


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """The answer cache, for all requests."""

    cache: AnswerCache
    config: CacheConfig
    policy: str  # digest of everything in the configuration that shapes an answer
    verifier: Verifier | None  # where similar questions are looked for
    encoder: Encoder
    stale_for: float = 0.0  # seconds after its time in which an answer may stand in for a model
    by_key: bool = False  # whether the model depends on which key asks
    flights: Flights = field(default_factory=Flights)

    async def recall(
        self, caller: Caller, ask: Ask, grounds: Grounds | None, trace: Trace
    ) -> Recall:
        """What one request has to do with it."""
        if not self._may_give(ask, grounds, trace.wishes):
            return Recall(self, ask, grounds, trace, None)
        scope: Scope | None
        if size_of(ask.messages) > LONG:
            scope = await asyncio.to_thread(self.scope, caller, ask, grounds)
        else:
            scope = self.scope(caller, ask, grounds)
        edition = ""
        if grounds:
            try:  # before anything is searched: an answer may be newer than it says, never older
                edition = await grounds.index.latest()
            except RetrievalError as error:
                log.warning("cache: %s", error)
                scope = None
        return Recall(self, ask, grounds, trace, scope, edition)

    def scope(self, caller: Caller, ask: Ask, grounds: Grounds | None) -> Scope:
        """What must be equal for an answer to be given again."""
        similar, prose = self.config.semantic.enabled, ask.door != "completions"
        parts = self.parts(caller, ask, grounds)
        return scope(parts, ask.messages, similar=similar, prose=prose)

    def parts(self, caller: Caller, ask: Ask, grounds: Grounds | None) -> list[Any]:
        """What must be equal besides the conversation; `named` says what is what."""
        return [
            self.policy,
            _ORDER,
            _of_caller(caller),
            caller.key if self.by_key else None,
            _of_ask(ask),
            settled(ask.params, UNRELATED),
            _ground(grounds) if grounds else None,
        ]

    def _may_give(self, ask: Ask, grounds: Grounds | None, wishes: Wishes) -> bool:
        """Whether an answer to it may be one that was given before, or be given again."""
        if not (self.config.enabled and ask.use_cache and ask.messages):
            return False
        if not (wishes.read or wishes.keep):
            return False
        return wishes.hot or (ask.n == 1 and self._cool(ask, grounds))

    def comparable(self, ask: Ask, query: Query | None) -> Query | None:
        """The query, where whether it is asked again in other words can be told: where encoder and
        verifier read the whole of what was asked, and of what it was completed to."""
        if query is None or not self.config.semantic.enabled:
            return None
        most = min(self.encoder.window, LONGEST + _FRAME)
        short = all(
            len(text) <= LONGEST_QUESTION and self.encoder.count(text) <= most
            for text in {ask.question, query.text}
        )
        return query if short else None

    def _cool(self, ask: Ask, grounds: Grounds | None) -> bool:
        """Whether the same answer is expected twice: cool, seeded or grounded. Where nothing is
        said OpenAI's default temperature is 1, and such a request expects variety."""
        params = ask.params
        if not cacheable(params, self.config.max_temperature):
            return False
        named = params.get("temperature") is not None or params.get("seed") is not None
        return named or grounds is not None

    async def forget(self, retired: Sequence[str]) -> None:
        """Drop every answer that stood on one of these document versions."""
        if retired:
            await unless_down(self.cache.retire(retired))


@dataclass(slots=True)
class Recall:
    """What one request has to do with answers given before, stage by stage."""

    known: KnownAnswers
    ask: Ask
    grounds: Grounds | None
    trace: Trace
    scope: Scope | None  # None where no answer may be given again
    edition: str = ""  # of the documents, when the request came in
    query: Query | None = None
    found: Screened = NOTHING
    waiting: tuple[Entry, CacheState] | None = None  # good if its passages are found again

    @property
    def state(self) -> CacheState:
        """What is said of an answer that is not one of these."""
        return "miss" if self.scope else "off"

    async def at_once(self) -> Answer | None:
        """What needs no embedding: the answer that an equal request is being given at this moment,
        or was given. Raises NotCached."""
        wishes = self.trace.wishes
        if self.scope is None:
            if wishes.only:
                raise _not_cached()
            return None
        if wishes.read:
            if self._shares and (answer := await self._joined(self.scope)):
                return answer
            with self.trace.span("cache.exact"):
                entry = await unless_down(self.cache.exact(self.scope))
            if entry and (answer := self._offered(entry, "exact")):
                return answer
        if wishes.only and self.waiting is None and not self.known.config.semantic.enabled:
            raise _not_cached()  # before anything is paid for
        return None

    def led(self, make: Callable[[], Coroutine[Any, Any, Answer]]) -> Coroutine[Any, Any, Answer]:
        """An answer that is made now; equal requests may join."""
        if self.scope is None or not self._shares:
            return make()
        return self._led(self.scope, make)

    async def near(self, query: Query | None) -> Answer | None:
        """The answer to the same question in other words. Raises NotCached."""
        self.query = self.known.comparable(self.ask, query)
        if self.query and self.trace.wishes.read and self.waiting is None:
            near = (await self.compared(self.query)).chosen
            if near and (answer := self._offered(near.entry, "semantic")):
                return answer
        if self.trace.wishes.only and (self.waiting is None or query is None):
            raise _not_cached()
        return None

    async def confirmed(self, found: Screened) -> Answer | None:
        """The answer that was waiting for what is found now, where that bears it out. Raises
        NotCached."""
        self.found = found
        if self.waiting and self.scope:
            entry, state = self.waiting
            with self.trace.span("cache.confirm") as span:
                same = self._borne_out(entry, state)
                span.set(state=state, borne_out=same)
                if same and state == "exact":
                    renewed = replace(entry, edition=self.edition)
                    await unless_down(self.cache.renew(self.scope.exact, renewed))
            if same:
                return self._given(entry, state)
        if self.trace.wishes.only:
            raise _not_cached()
        return None

    async def older(self, threshold: float) -> Answer | None:
        """What may stand in for a model: the answer to the very same request though its time is
        over, or to a question that is merely similar and that no rule tells apart."""
        stale = self.known.stale_for
        if self.scope is None or not self.trace.wishes.read:
            return None
        entry = await unless_down(self.cache.exact(self.scope, stale_for=stale))
        if entry and self._stands(entry, "exact"):
            return self._given(entry, "exact", "cached")
        if self.query is None:
            return None
        from cache.verification.candidates import looser  # with words that a plain gateway has not

        candidates = await self._near(self.scope, self.query, threshold, stale)
        near = looser(self.query.text, candidates)
        if near and self._stands(near.entry, "semantic"):
            return self._given(near.entry, "semantic", "cached")
        return None

    def kept(self, answer: Answer) -> Answer:
        """The same answer, kept once it has been told whole."""
        scope = self.scope
        if scope is None or not self.trace.wishes.keep:
            return answer
        if self.grounds and not self.found.sought:  # it had to do without the documents
            return answer

        async def keep(whole: Collected, done: Done) -> Done:
            if _fit(whole, done, self.grounds):
                await self.trace.step("keep", self._keep(scope, whole, done))
            return done

        answer.endings = (*answer.endings, keep)
        return answer

    async def _led(self, scope: Scope, make: Callable[[], Awaitable[Answer]]) -> Answer:
        if self.trace.wishes.read and (answer := await self._joined(scope)):
            return answer  # another began while the cache was asked
        flight = self.known.flights.led(scope.exact, self.edition, self.trace.id)
        try:
            answer = await make()
        except BaseException as error:
            flight.lost(error)
            raise
        flight.known, answer.offered = answer.known, flight.told
        return answer

    async def _joined(self, scope: Scope) -> Answer | None:
        """The answer that an equal request is being given."""
        while flight := self.known.flights.found(scope.exact, self.edition):
            with self.trace.span("cache.shared") as span:
                span.set(trace=flight.trace_id)
                if answer := await flight.joined(self.ask.verbatim):
                    return answer
        return None

    @property
    def _shares(self) -> bool:
        """Whether others may have part in it. What has a deadline of its own may be answered
        otherwise for its haste."""
        wishes = self.trace.wishes
        return wishes.keep and not wishes.only and self.ask.deadline is None

    @property
    def cache(self) -> AnswerCache:
        return self.known.cache

    def _offered(self, entry: Entry, state: CacheState) -> Answer | None:
        """An entry as an answer, if it may be given as it is; it may have to wait."""
        if self.young(entry):
            if entry.edition == self.edition:
                return self._given(entry, state)
            self.waiting = entry, state
        return None

    def young(self, entry: Entry) -> bool:
        """Whether the request takes one that is so old, and its documents are still valid."""
        now = time.time()
        return now - entry.made_at <= self.trace.wishes.max_age and now < (entry.until or now + 1)

    def _stands(self, entry: Entry, state: CacheState) -> bool:
        in_force = entry.edition == self.edition or self._borne_out(entry, state)
        return self.young(entry) and in_force

    def _borne_out(self, entry: Entry, state: CacheState) -> bool:
        """Whether an entry from before the documents changed is as good as one from now.

        The same question has to find the very same passages, for then its answer would be made of
        the same. Another wording has to find the very same documents in the same versions: one
        that is missing may have said it, one that is new may say otherwise."""
        if not self.found.sought:
            return False
        if state == "exact":
            return entry.found == _passages(self.found, entry.collection)
        return set(entry.sources) == set(_documents(self.found))

    def _given(self, entry: Entry, state: CacheState, degraded: Step = "") -> Answer:
        age = max(0.0, time.time() - entry.made_at)
        return told_again(entry.value, state, age, self.ask.stream, degraded)

    async def compared(self, query: Query) -> Verdict:
        """Which entry's question is this one in other words."""
        verifier = self.known.verifier
        if self.scope is None or verifier is None:
            return NO_VERDICT
        with self.trace.span("cache.semantic") as span:
            near = await self._near(self.scope, query, self.known.config.semantic.floor)
            verdict = await verifier.chosen(query.text, near)
            if near:
                span.set(
                    candidates=len(near),
                    cosine=near[0].cosine,
                    probability=verdict.probability,
                    against=verdict.against,
                )
            return verdict

    async def _near(
        self, scope: Scope, query: Query, floor: float, stale_for: float = 0.0
    ) -> Sequence[Candidate]:
        near = self.cache.near(scope, query, floor=floor, stale_for=stale_for)
        return await unless_down(near) or ()

    async def _keep(self, scope: Scope, whole: Collected, done: Done) -> None:
        name = self.grounds.collection if self.grounds else ""
        semantic = self.known.config.semantic.enabled
        entry = Entry(
            value=written(whole.choices, done),
            question=(self.query.text if self.query else self.ask.question)[:LONGEST_QUESTION],
            # Only questions that are merely alike are told apart by what is answered to them.
            answer=digest(whole.text) if semantic else "",
            sources=done.grounded_on,
            made_at=time.time(),
            collection=name,
            edition=self.edition,
            found=_passages(self.found, name) if self.grounds else "",
            until=_until(self.found),
        )
        # That the documents say nothing is said of these very words alone.
        await self._fill(scope, entry, None if _nothing_said(whole) else self.query)

    async def _fill(self, scope: Scope, entry: Entry, query: Query | None) -> None:
        await unless_down(self.cache.fill(scope, entry, query, stale_for=self.known.stale_for))
        if self.grounds and await self._outdated(self.grounds):
            # It may stand on what was retired before it was there to be forgotten.
            await unless_down(self.cache.purge(key=scope.exact))

    async def _outdated(self, grounds: Grounds) -> bool:
        """Whether the documents have changed while the answer was made."""
        try:
            return await grounds.index.latest() != self.edition
        except RetrievalError:
            return True


def _fit(whole: Collected, done: Done, grounds: Grounds | None) -> bool:
    """Whether an answer that was told whole is one that others may be given."""
    if done.degraded or done.continued or done.redacted or done.incomplete:
        return False
    if not whole.choices:
        return False
    if grounds and grounds.mode == "strict" and not done.grounded and not _nothing_said(whole):
        return False
    return all(map(_sound, whole.choices.values()))


def _nothing_said(whole: Collected) -> bool:
    return whole.text.strip() == NOT_IN_DOCUMENTS


def _sound(choice: Choice) -> bool:
    """Whether it ended by itself, says something and refuses nothing."""
    if choice.finish not in ("stop", "tool_calls", "function_call"):
        return False
    if choice.fields.get("refusal"):
        return False
    called = [call.get("function") for call in choice.fields.get("tool_calls") or ()]
    called.append(choice.fields.get("function_call"))
    calls = [call for call in called if call]
    if not all(_is_json(call.get("arguments")) for call in calls):
        return False
    return bool(calls) or (bool(choice.text.strip()) and not refuses(choice.text))


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (TypeError, ValueError):
        return False
    return True


def named(parts: Sequence[Any]) -> dict[str, Any]:
    """What must be equal besides the conversation, by name."""
    policy, _, caller, key, asked, params, documents = parts
    return {
        "policy": policy,
        "caller": dict(zip(OF_THE_CALLER, caller, strict=True)),
        "key": key,
        "request": dict(zip(OF_THE_ASK, asked, strict=True)),
        "params": params,
        "documents": documents,
    }


def _ground(grounds: Grounds) -> dict[str, Any]:
    return {
        "collection": grounds.collection,
        "mode": grounds.mode,
        "top_k": grounds.top_k,
        "where": repr(grounds.where),
        # The team is in every scope; the groups matter where they decide what was found.
        "groups": sorted(grounds.viewer.groups) if grounds.viewer else None,
    }


def _passages(found: Screened, collection: str) -> str:
    """Identifies what a model was given to read: equal for the same passages in the same order."""
    read = [
        (
            (passage.id, passage.version, passage.title, passage.headings, passage.page),
            (passage.text, url_of(collection, passage), passage.id in found.flagged),
        )
        for passage in (hit.passage for hit in found.hits)
    ]
    return digest([read, found.fenced])


def _documents(found: Screened) -> Iterator[str]:
    """As an entry names its sources."""
    return (versioned(hit.passage.document, hit.passage.version) for hit in found.hits)


def _until(found: Screened) -> float | None:
    """When the first of the passages ceases to be valid."""
    ends = (
        stored(hit.passage.meta).until for hit in found.hits if "valid_until" in hit.passage.meta
    )
    return min(ends, default=None)


def _not_cached() -> NotCached:
    return NotCached("No earlier answer fits the request, which asks for no other.")


async def unless_down(work: Awaitable[T]) -> T | None:
    """What the cache says; None while it is down."""
    try:
        return await work
    except CacheDown as error:
        log.warning("cache: %s", error)
        return None
