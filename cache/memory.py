"""Answers in this process: the least recently used make room, and each has its time.

All state is plain; the clock is handed in. What goes through all entries lets others have their
turn on the event loop in between. Not shared between processes, lost with this one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cache.config import CacheConfig, MemoryStore
from cache.questions import Questions, bytes_of
from cache.types import Candidate, Entry, Scope, Stats
from retrieval.types import Query

T = TypeVar("T")

_OVERHEAD = 1_000  # bytes that an entry takes beside its contents
_SOURCE = 100  # that one of its sources takes beside its name
_SCOPE = 1_300  # that a scope of similar questions takes beside them
_SHARE = 64  # no entry may take more than this part of all bytes
_TURN = 500  # entries after which others have their turn
_SWEPT = 100  # entries whose time is over that one fill removes at most


@dataclass(slots=True)
class _Kept:
    entry: Entry
    similar: str
    size: int
    stale_for: float  # seconds that it is kept after its time


class MemoryCache:
    """The embedded answer cache."""

    def __init__(
        self, config: CacheConfig, store: MemoryStore, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._ttl = config.ttl_seconds
        self._semantic = config.semantic
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # least recently used first
        self._ends: OrderedDict[str, float] = OrderedDict()  # as they were filled, about by time
        self._questions: dict[str, Questions] = {}  # by their `similar` scope
        self._standing: dict[str, set[str]] = {}  # source → keys of the answers on it
        self._size = 0

    async def exact(self, scope: Scope, *, stale_for: float = 0.0) -> Entry | None:
        kept = self._kept.get(scope.exact)
        if kept is None or not self._serves(scope.exact, kept, stale_for):
            return None
        self._kept.move_to_end(scope.exact)
        return kept.entry

    async def near(
        self, scope: Scope, query: Query, *, floor: float, most: int = 8, stale_for: float = 0.0
    ) -> list[Candidate]:
        if (questions := self._questions.get(scope.similar)) is None:
            return []
        after = self._clock() - self._ttl - stale_for
        found: list[Candidate] = []
        for near in await questions.nearest(query.vector, floor, after):
            if len(found) == most:
                break
            kept = self._kept.get(near.key)
            if kept and self._serves(near.key, kept, stale_for):
                found.append(Candidate(near.key, kept.entry, near.cosine))
        if found:
            self._kept.move_to_end(found[0].key)
        return found

    async def fill(
        self, scope: Scope, entry: Entry, query: Query | None, *, stale_for: float = 0.0
    ) -> None:
        self._sweep()
        self._forget(scope.exact)
        kept = _Kept(entry, scope.similar, _size_of(entry, query), stale_for)
        if kept.size > self._store.max_bytes // _SHARE or self._age(kept) >= stale_for:
            return
        self._kept[scope.exact] = kept
        self._size += kept.size
        self._ends[scope.exact] = self._end(kept)
        for source in entry.sources:
            self._standing.setdefault(source, set()).add(scope.exact)
        if query:
            self._ask(scope, query, entry.made_at)
        while self._size > self._store.max_bytes or len(self._kept) > self._store.max_entries:
            self._forget(next(iter(self._kept)))

    async def retire(self, sources: Sequence[str]) -> int:
        # What no source knows any more is not found, so it may be forgotten bit by bit.
        retired = [self._standing.pop(source, set()) async for source in _in_turns(sources)]
        gone = 0
        async for key in _in_turns(key for keys in retired for key in keys):
            if (kept := self._kept.get(key)) and not self._stands(key, kept):
                self._forget(key)
                gone += 1
        return gone

    async def renew(self, key: str, entry: Entry) -> None:
        kept = self._kept.get(key)
        if kept and (kept.entry.made_at, kept.entry.sources) == (entry.made_at, entry.sources):
            kept.entry = entry

    async def purge(
        self, *, document: str | None = None, collection: str | None = None, key: str | None = None
    ) -> int:
        gone = 0
        async for each in _in_turns(self._keys() if key is None else [key]):
            kept = self._kept.get(each)
            if kept and kept.entry.matches(document, collection):
                self._forget(each)
                gone += 1
        return gone

    async def stats(self) -> Stats:
        made = [
            kept.entry.made_at
            async for key in _in_turns(self._keys())
            if (kept := self._kept.get(key))
        ]
        questions = [len(each) async for each in _in_turns(list(self._questions.values()))]
        return Stats(
            entries=len(made),
            bytes=self._size,
            questions=sum(questions),
            scopes=len(questions),
            oldest=min(made, default=None),
            newest=max(made, default=None),
            estimated=False,
        )

    async def aclose(self) -> None:
        self._kept.clear()
        self._ends.clear()
        self._questions.clear()
        self._standing.clear()
        self._size = 0

    def _keys(self) -> list[str]:
        """Of all entries, in no order: an OrderedDict tells its own ten times as slowly."""
        return list(dict.keys(self._kept))

    def _ask(self, scope: Scope, query: Query, made_at: float) -> None:
        """Keep the question, in place of the oldest of its scope where there are too many."""
        size = query.vector.size
        if (questions := self._questions.get(scope.similar)) is None:
            questions = self._questions[scope.similar] = Questions(size)
            self._size += _SCOPE
        questions.add(scope.exact, query.vector, made_at)
        if len(questions) > self._semantic.max_questions:
            questions.remove(questions.oldest)

    def _serves(self, key: str, kept: _Kept, stale_for: float) -> bool:
        return self._age(kept) < min(stale_for, kept.stale_for) and self._stands(key, kept)

    def _stands(self, key: str, kept: _Kept) -> bool:
        """Whether none of its sources was retired."""
        return all(key in self._standing.get(source, ()) for source in kept.entry.sources)

    def _age(self, kept: _Kept) -> float:
        """Seconds since its time was over; negative while it is fresh."""
        return self._clock() - kept.entry.made_at - self._ttl

    def _end(self, kept: _Kept) -> float:
        return kept.entry.made_at + self._ttl + kept.stale_for

    def _sweep(self) -> None:
        """Forget what has come to its end."""
        now = self._clock()
        for _ in range(_SWEPT):
            key = next(iter(self._ends), None)
            if key is None or self._ends[key] > now:
                break
            self._forget(key)

    def _forget(self, key: str) -> None:
        if (kept := self._kept.pop(key, None)) is None:
            return
        self._size -= kept.size
        del self._ends[key]
        for source in kept.entry.sources:
            standing = self._standing.get(source, set())
            standing.discard(key)
            if not standing:
                self._standing.pop(source, None)
        if questions := self._questions.get(kept.similar):
            questions.remove(key)
            if not questions:
                del self._questions[kept.similar]
                self._size -= _SCOPE


def _size_of(entry: Entry, query: Query | None) -> int:
    text = len(entry.value) + 4 * len(entry.question)
    sources = sum(_SOURCE + len(source) for source in entry.sources)
    return _OVERHEAD + text + sources + (bytes_of(query.vector.size) if query else 0)


async def _in_turns(each: Iterable[T]) -> AsyncIterator[T]:
    """All of them; others have their turn on the event loop in between."""
    for number, one in enumerate(each, start=1):
        yield one
        if number % _TURN == 0:
            await asyncio.sleep(0)
