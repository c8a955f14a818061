"""Answers given before: what may be given again, to whom, and in which form it is kept.

The folder `cache` keeps opaque bytes under a scope; this module knows what an answer is. A cache
that is down is a miss, never an error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from cache.config import CacheConfig
from cache.keys import cacheable, digest, scope
from cache.semantic import chosen
from cache.types import AnswerCache, CacheDown, Candidate, Entry, Scope
from gateway.grounding import Grounds
from gateway.streams import Choice, Collected, replay
from gateway.tracing.trace import Trace
from gateway.types import (
    Answer,
    Ask,
    CacheState,
    Caller,
    Delta,
    Done,
    Reference,
    Step,
    Usage,
)
from retrieval.types import Query

log = logging.getLogger("moorline")
T = TypeVar("T")

FORMAT = 4
"""Of a kept answer; a new one misses what an older gateway has kept in a shared cache."""


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """Looks answers up and keeps them."""

    cache: AnswerCache
    config: CacheConfig
    policy: str  # digest of everything in the configuration that shapes an answer
    stale_for: float = 0.0  # seconds after its time in which an answer may stand in for a model

    def scope(self, caller: Caller, ask: Ask, grounds: Grounds | None) -> Scope | None:
        """What must be equal for an answer to be given again; None where none may be."""
        if not (self.config.enabled and ask.use_cache and ask.n == 1 and ask.messages):
            return None
        if not self._settled(ask, grounds):
            return None
        shared = [
            self.policy,
            caller.team,
            caller.collections,
            caller.models,
            ask.model,
            (caller.region, ask.region),
            ask.strategy,
            {key: ask.params[key] for key in ask.params if key not in UNRELATED},
            _ground(grounds),
        ]
        return scope(shared, ask.messages, similar=self.config.semantic.enabled)

    def _settled(self, ask: Ask, grounds: Grounds | None) -> bool:
        """Whether the same answer is expected twice: cool, seeded or grounded. Where nothing is
        said OpenAI's default temperature is 1, and such a request expects variety."""
        if not cacheable(ask.params, self.config.max_temperature):
            return False
        return grounds is not None or bool(ask.params.keys() & {"temperature", "seed"})

    async def exact(self, scope: Scope | None, trace: Trace) -> Answer | None:
        """The answer to the very same request."""
        if scope is None:
            return None
        entry = await trace.step("cache.exact", _unless_down(self.cache.exact(scope)))
        return _given_again(entry, "exact") if entry else None

    async def near(self, scope: Scope | None, query: Query | None, trace: Trace) -> Answer | None:
        """The answer to the same question in other words."""
        if scope is None or query is None or not self.config.semantic.enabled:
            return None
        near = self._near(scope, query, self.config.semantic.threshold)
        found = await trace.step("cache.semantic", near)
        return _given_again(found.entry, "semantic") if found else None

    async def _near(
        self, scope: Scope, query: Query, threshold: float, stale_for: float = 0.0
    ) -> Candidate | None:
        config = self.config.semantic
        floor = threshold - config.margin
        near = self.cache.near(scope, query, floor=floor, stale_for=stale_for)
        return chosen(await _unless_down(near) or (), config, threshold)

    async def older(self, scope: Scope, query: Query | None, threshold: float) -> Answer | None:
        """What may stand in for a model: the answer to the very same request though its time is
        over, or to a question that is only as similar as `threshold` says."""
        stale = self.stale_for
        if entry := await _unless_down(self.cache.exact(scope, stale_for=stale)):
            return _given_again(entry, "exact", "cached")
        if query is None or not self.config.semantic.enabled:
            return None
        near = await self._near(scope, query, threshold, stale)
        return _given_again(near.entry, "semantic", "cached") if near else None

    def kept(
        self, answer: Answer, scope: Scope | None, ask: Ask, query: Query | None, trace: Trace
    ) -> Answer:
        """The same answer, kept once it has been told whole."""
        if scope is None or trace.no_store:
            return answer

        async def keep(whole: Collected, done: Done) -> Done:
            await trace.step("keep", self._keep(scope, whole, done, ask, query))
            return done

        answer.endings = (*answer.endings, keep)
        return answer

    async def forget(self, retired: Sequence[str]) -> None:
        """Drop every answer that stood on one of these document versions."""
        if retired:
            await _unless_down(self.cache.retire(retired))

    async def _keep(
        self, scope: Scope, whole: Collected, done: Done, ask: Ask, query: Query | None
    ) -> None:
        """Keep a whole answer, unless it is one that nobody should be given again."""
        choice = whole.choices.get(0)
        if choice is None or choice.finish not in (None, "stop", "tool_calls"):
            return
        entry = Entry(
            value=written(choice, done),
            question=ask.question,
            # Only questions that are merely alike are told apart by what is answered to them.
            answer=digest(choice.text) if self.config.semantic.enabled else "",
            sources=done.grounded_on,
            made_at=time.time(),
        )
        near = query if self.config.semantic.enabled else None
        await _unless_down(self.cache.fill(scope, entry, near, stale_for=self.stale_for))


# Parameters that do not change what is said.
UNRELATED = frozenset({"user", "metadata", "store", "safety_identifier", "service_tier"})


def _ground(grounds: Grounds | None) -> list[Any] | None:
    if grounds is None:
        return None
    # The team is in every scope; the groups matter where they decide what was found.
    groups = sorted(grounds.viewer.groups) if grounds.viewer else None
    edition, where = grounds.index.edition(), repr(grounds.where)
    return [grounds.collection, edition, grounds.mode, grounds.top_k, where, groups]


async def _unless_down(work: Awaitable[T]) -> T | None:
    try:
        return await work
    except CacheDown as error:
        log.warning("cache: %s", error)
        return None


def written(choice: Choice, done: Done) -> bytes:
    """What is said of this answer, without what belongs to the request that it was given to."""
    usage = done.usage
    return orjson.dumps(
        {
            "choice": (choice.text, choice.fields, choice.extra, choice.finish),
            "usage": (
                usage.prompt,
                usage.completion,
                usage.cached,
                usage.reasoning,
                usage.estimated,
            ),
            "done": {
                "model": done.model,
                "route": done.route,
                "collection": done.collection,
                "grounding": done.grounding,
                "grounded": done.grounded,
                "faithfulness": done.faithfulness,
                "tokens": done.tokens,
                "strategy": done.strategy,
                "fields": done.fields,
            },
            "sources": done.sources,
        }
    )


def _given_again(entry: Entry, state: CacheState, degraded: Step = "") -> Answer:
    """An entry as the events of a new answer. It costs nothing: its tokens were paid for."""
    raw = orjson.loads(entry.value)
    done = Done(
        usage=Usage(*raw["usage"]),
        sources=tuple(Reference(**each) for each in raw["sources"]),
        cache=state,
        degraded=degraded,
        **raw["done"],
    )
    text, fields, extra, finish = raw["choice"]
    return Answer(replay([Delta(text, 0, fields, extra, finish)], done), done)
