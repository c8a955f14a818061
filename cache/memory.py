"""Answers in this process: the oldest unused make room, and each has its time.

All state is plain; the clock is handed in. Not shared between processes, lost with this one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cache.config import CacheConfig, MemoryStore
from cache.types import Candidate, Entry, Scope, Stats
from retrieval.types import Query, Vector, Vectors

_OVERHEAD = 600  # bytes that an entry takes beside its contents


@dataclass(slots=True)
class _Kept:
    entry: Entry
    similar: str
    size: int
    stale_for: float  # seconds that it is kept after its time


@dataclass(slots=True)
class _Questions:
    """The questions of one `similar` scope by their exact key, oldest first."""

    vectors: OrderedDict[str, Vector] = field(default_factory=OrderedDict)
    matrix: Vectors | None = None  # all of them in a row, made when first needed

    def add(self, key: str, vector: Vector, most: int) -> None:
        self.vectors.pop(key, None)
        self.vectors[key] = vector
        if len(self.vectors) > most:
            self.vectors.popitem(last=False)
        self.matrix = None

    def remove(self, key: str) -> None:
        if self.vectors.pop(key, None) is not None:
            self.matrix = None

    def stacked(self) -> Vectors:
        if self.matrix is None:
            self.matrix = np.stack(list(self.vectors.values()))
        return self.matrix


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
        self._questions: dict[str, _Questions] = {}
        self._standing: dict[str, set[str]] = {}  # source → keys of the answers on it
        self._size = 0

    async def exact(self, scope: Scope, *, stale_for: float = 0.0) -> Entry | None:
        return self._live(scope.exact, stale_for)

    async def near(
        self, scope: Scope, query: Query, *, floor: float, most: int = 8, stale_for: float = 0.0
    ) -> list[Candidate]:
        questions = self._questions.get(scope.similar)
        if questions is None:
            return []
        for key in list(questions.vectors):
            if self._age(self._kept[key]) >= self._kept[key].stale_for:
                self._forget(key)
        if not questions.vectors:
            return []
        keys, cosines = list(questions.vectors), questions.stacked() @ query.vector
        found: list[Candidate] = []
        for at in np.argsort(-cosines, kind="stable").tolist():
            if cosines[at] < floor or len(found) == most:
                break
            if self._age(self._kept[keys[at]]) < stale_for:
                entry = self._kept[keys[at]].entry
                found.append(Candidate(keys[at], entry, float(cosines[at])))
        return found

    async def fill(
        self, scope: Scope, entry: Entry, query: Query | None, *, stale_for: float = 0.0
    ) -> None:
        self._forget(scope.exact)
        size = _OVERHEAD + len(entry.value) + 4 * len(entry.question)
        size += query.vector.nbytes if query else 0
        if size > self._store.max_bytes:
            return
        self._kept[scope.exact] = _Kept(entry, scope.similar, size, stale_for)
        self._size += size
        for source in entry.sources:
            self._standing.setdefault(source, set()).add(scope.exact)
        if query:
            questions = self._questions.setdefault(scope.similar, _Questions())
            questions.add(scope.exact, query.vector, self._semantic.max_questions)
        while self._size > self._store.max_bytes or len(self._kept) > self._store.max_entries:
            self._forget(next(iter(self._kept)))

    async def retire(self, sources: Sequence[str]) -> int:
        keys = set[str]().union(*(self._standing.get(source, ()) for source in sources))
        for key in keys:
            self._forget(key)
        return len(keys)

    async def renew(self, key: str, entry: Entry) -> None:
        kept = self._kept.get(key)
        if kept is None or kept.entry.made_at != entry.made_at:
            return
        if kept.entry.sources == entry.sources:
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
            questions=sum(len(each.vectors) for each in self._questions.values()),
            scopes=len(self._questions),
            oldest=min(made, default=None),
            newest=max(made, default=None),
            estimated=False,
        )

    async def aclose(self) -> None:
        self._kept.clear()
        self._questions.clear()
        self._standing.clear()
        self._size = 0

    def _live(self, key: str, stale_for: float) -> Entry | None:
        if (kept := self._kept.get(key)) is None:
            return None
        age = self._age(kept)
        if age >= kept.stale_for:
            self._forget(key)
        if age >= min(stale_for, kept.stale_for):
            return None
        self._kept.move_to_end(key)
        return kept.entry

    def _age(self, kept: _Kept) -> float:
        """Seconds since its time was over; negative while it is fresh."""
        return self._clock() - kept.entry.made_at - self._ttl

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
            if not questions.vectors:
                del self._questions[kept.similar]
