"""Answers in this process: the least recently used make room, and each has its time.

All state is plain; the clock is handed in. Not shared between processes, lost with this one.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache.config import CacheConfig, MemoryStore
from cache.questions import Questions, bytes_of
from cache.types import Candidate, Entry, Scope, Stats
from retrieval.types import Query

_OVERHEAD = 1_000  # bytes that an entry takes beside its contents
_SOURCE = 100  # that one of its sources takes beside its name
_SCOPE = 1_300  # that a scope of similar questions takes beside them
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
        self._ends: list[tuple[float, str]] = []  # a heap; what went before its end is in it, too
        self._questions: dict[str, Questions] = {}  # by their `similar` scope
        self._standing: dict[str, set[str]] = {}  # source → keys of the answers on it
        self._size = 0

    async def exact(self, scope: Scope, *, stale_for: float = 0.0) -> Entry | None:
        kept = self._kept.get(scope.exact)
        if kept is None or not self._serves(kept, stale_for):
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
            if kept and self._serves(kept, stale_for):
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
        if kept.size > self._store.max_bytes or self._age(kept) >= stale_for:
            return
        self._kept[scope.exact] = kept
        self._size += kept.size
        heapq.heappush(self._ends, (self._end(kept), scope.exact))
        for source in entry.sources:
            self._standing.setdefault(source, set()).add(scope.exact)
        if query:
            self._ask(scope, query, entry.made_at)
        while self._size > self._store.max_bytes or len(self._kept) > self._store.max_entries:
            self._forget(next(iter(self._kept)))

    async def retire(self, sources: Sequence[str]) -> int:
        keys = set[str]().union(*(self._standing.get(source, ()) for source in sources))
        for key in keys:
            self._forget(key)
        return len(keys)

    async def renew(self, key: str, entry: Entry) -> None:
        kept = self._kept.get(key)
        if kept and (kept.entry.made_at, kept.entry.sources) == (entry.made_at, entry.sources):
            kept.entry = entry

    async def purge(
        self, *, document: str | None = None, collection: str | None = None, key: str | None = None
    ) -> int:
        among = self._kept if key is None else {key} & self._kept.keys()
        gone = [each for each in among if self._kept[each].entry.matches(document, collection)]
        for each in gone:
            self._forget(each)
        return len(gone)

    async def stats(self) -> Stats:
        made = [kept.entry.made_at for kept in self._kept.values()]
        return Stats(
            entries=len(made),
            bytes=self._size,
            questions=sum(map(len, self._questions.values())),
            scopes=len(self._questions),
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

    def _ask(self, scope: Scope, query: Query, made_at: float) -> None:
        """Keep the question, in place of the oldest of its scope where there are too many."""
        size = query.vector.size
        if (questions := self._questions.get(scope.similar)) is None:
            questions = self._questions[scope.similar] = Questions(size)
            self._size += _SCOPE
        questions.add(scope.exact, query.vector, made_at)
        if len(questions) > self._semantic.max_questions:
            questions.remove(questions.oldest)

    def _serves(self, kept: _Kept, stale_for: float) -> bool:
        return self._age(kept) < min(stale_for, kept.stale_for)

    def _age(self, kept: _Kept) -> float:
        """Seconds since its time was over; negative while it is fresh."""
        return self._clock() - kept.entry.made_at - self._ttl

    def _end(self, kept: _Kept) -> float:
        return kept.entry.made_at + self._ttl + kept.stale_for

    def _sweep(self) -> None:
        """Forget what has come to its end."""
        now = self._clock()
        for _ in range(_SWEPT):
            if not self._ends or self._ends[0][0] > now:
                break
            end, key = heapq.heappop(self._ends)
            if (kept := self._kept.get(key)) and self._end(kept) == end:
                self._forget(key)
        if len(self._ends) > 2 * len(self._kept) + _SWEPT:  # mostly of what went before
            self._ends = sorted((self._end(kept), key) for key, kept in self._kept.items())

    def _forget(self, key: str) -> None:
        if (kept := self._kept.pop(key, None)) is None:
            return
        self._size -= kept.size
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
