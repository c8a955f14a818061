"""An answer given before, and the protocol behind which its stores swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.types import Query, document_of


class CacheDown(Exception):
    """The store does not answer. For a caller this is a miss, never an error."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What must be equal for an answer to be given again.

    `exact` digests the whole request; `similar` digests all of it but the last question, which
    alone may be merely similar.
    """

    exact: str
    similar: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer: opaque bytes, with what it was grounded on."""

    value: bytes
    question: str
    sources: tuple[str, ...]  # "document@version" of every source
    made_at: float  # seconds since the epoch
    answer: str = ""  # identifies what is said: equal for two entries that say the same
    collection: str = ""  # that was searched; "" where none was
    edition: str = ""  # of that collection when it was searched
    found: str = ""  # identifies the passages that were found: equal for equal ones
    until: float | None = None  # seconds since the epoch, when one of them ceases to be valid

    def matches(self, document: str | None, collection: str | None) -> bool:
        """Whether it stands on this document, in any version, and in this collection; None says
        nothing."""
        if collection is not None and self.collection != collection:
            return False
        return document is None or any(document_of(s) == document for s in self.sources)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier question whose answer may do."""

    key: str  # its exact scope
    entry: Entry
    cosine: float  # to the question that is asked now


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds."""

    entries: int
    bytes: int
    questions: int  # that can be found by similarity
    scopes: int  # that these questions are in
    oldest: float | None  # seconds since the epoch, when it was made; None where nothing is kept
    newest: float | None
    estimated: bool  # from a sample: a large shared store is not read whole to be counted


class AnswerCache(Protocol):
    """Keeps answers by scope. Every method may raise CacheDown.

    An entry is fresh for the configured time. `stale_for` are the seconds after it: in `fill` how
    much longer it is kept, in a look-up how much older than fresh it may be.
    """

    async def exact(self, scope: Scope, *, stale_for: float = 0.0) -> Entry | None: ...

    async def near(
        self, scope: Scope, query: Query, *, floor: float, most: int = 8, stale_for: float = 0.0
    ) -> list[Candidate]:
        """The nearest earlier questions of the same `similar` scope, the nearest first: at most
        `most`, and none below a cosine of `floor`. Whether one of them will do is not said."""
        ...

    async def fill(
        self, scope: Scope, entry: Entry, query: Query | None, *, stale_for: float = 0.0
    ) -> None:
        """Keep an entry; with a query it can be found by similarity too."""
        ...

    async def retire(self, sources: Sequence[str]) -> int:
        """Forget every answer, stale ones too, that stands on one of these "document@version";
        says how many. Nobody finds one once it has returned."""
        ...

    async def renew(self, key: str, entry: Entry) -> None:
        """Put `entry` in the place of the one with this exact scope, if that is still kept and was
        made at the same time from the same sources: its age, question and end stay."""
        ...

    async def purge(
        self, *, document: str | None = None, collection: str | None = None, key: str | None = None
    ) -> int:
        """Forget what matches all that is given, and everything where nothing is; says how many.

        `document` is a source whatever its version, `key` an exact scope."""
        ...

    async def stats(self) -> Stats: ...

    async def aclose(self) -> None: ...
