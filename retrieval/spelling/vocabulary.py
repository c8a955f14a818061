"""What words a collection has, for each kind of reader: read from the index in the background.

It needs nothing of an index but what every index can be asked. When that says that something else
may be found, new documents are read and added; where something went, all is read anew, so that what
was deleted is not known any longer. Who may see a document may know its words, and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakKeyDictionary

from retrieval.index.access import Access, stored
from retrieval.sparse import term_id
from retrieval.spelling.lexicon import Lexicon
from retrieval.types import Index, Metadata, Passage, RetrievalError, Viewer
from retrieval.words import ENGLISH, spelt, terms_of, written

_log = logging.getLogger(__name__)

MOST = 500_000
"""Words of one collection, about 20 bytes each; where there are more, none is corrected."""
_DOCUMENTS, _PASSAGES = 64, 512
"""At most so many are read with one look."""
_COUNTED = 64
"""Passages whose words are counted before there is a pause as long."""
_LAST = 1 << 31
_VIEWERS = 1000
"""So many are remembered with what they may know, until something changes."""
_PAUSE, _LEAST = 20.0, 1.0
"""So many times as long as reading took, and at least so many seconds, nothing is read again."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a collection at one moment."""

    by_access: Mapping[Access, Lexicon] = field(default_factory=dict)
    _seen: dict[Viewer | None, list[Lexicon]] = field(default_factory=dict, compare=False)

    @property
    def size(self) -> int:
        """Words, counted for each kind of reader."""
        return sum(words.size for words in self.by_access.values())

    def of(self, viewer: Viewer | None) -> list[Lexicon]:
        """What this viewer may know. Documents that are not in force were left out."""
        if (known := self._seen.get(viewer)) is None:
            # When a document is in force is in no access here, so any moment will do.
            admitted = (
                words for access, words in self.by_access.items() if access.admits(viewer, 0)
            )
            known = list(admitted)
            if len(self._seen) < _VIEWERS:
                self._seen[viewer] = known
        return known


class Vocabularies:
    """Of all collections that were asked for."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Index, _Following] = WeakKeyDictionary()

    def of(self, index: Index) -> Vocabulary | None:
        """As far as it is known now; what has changed is read meanwhile. None before the first."""
        following = self._of.get(index)
        if following is None:
            following = self._of[index] = _Following()
        following.follow(index)
        return following.vocabulary

    async def read(self, index: Index, patience: float | None = None) -> None:
        """Wait until what there is now is known: for who asks once. At most so many seconds."""
        self.of(index)
        if task := self._of[index].task:
            await asyncio.wait([task], timeout=patience)

    async def aclose(self) -> None:
        tasks = [each.task for each in self._of.values() if each.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True, eq=False)
class _Following:
    """One collection's words, and what they were read from."""

    vocabulary: Vocabulary | None = None
    edition: str = ""
    documents: frozenset[int] = frozenset()
    task: asyncio.Task[None] | None = None
    again: float = 0.0  # when it may be read again

    def follow(self, index: Index) -> None:
        edition = index.edition()
        if edition == self.edition or time.monotonic() < self.again:
            return
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._read(index, edition))

    async def _read(self, index: Index, edition: str) -> None:
        began = time.monotonic()
        try:
            await self._follow(index)
            self.edition = edition
        except RetrievalError as error:  # searches go on, with the words that are known
            _log.warning("The words of a collection were not read: %s", error)
        finally:
            now = time.monotonic()
            self.again = now + max(_LEAST, _PAUSE * (now - began))

    async def _follow(self, index: Index) -> None:
        at = time.time()
        now = {
            hash((source, one.version, one.recipe, _access(one.meta))): (source, one.passages)
            for source, one in (await index.documents()).items()
            if stored(one.meta).admits(None, at)
        }
        gone = self.documents - now.keys()
        before = None if gone else self.vocabulary
        known = frozenset[int]() if before is None else self.documents
        sources = [place for name, place in now.items() if name not in known]
        fresh = await _words(index, sources)
        whole = await asyncio.to_thread(_together, before, fresh) if fresh is not None else None
        if whole is None or whole.size > MOST:
            _log.warning("A collection has more than %d words: none is corrected.", MOST)
            self.vocabulary, self.documents = Vocabulary(), frozenset()
            return
        self.vocabulary, self.documents = whole, frozenset(now)


@dataclass(slots=True)
class _Counted:
    """The words of one kind of reader's passages, while they are counted."""

    words: Counter[str] = field(default_factory=Counter)
    terms: set[int] = field(default_factory=set)

    def add(self, passage: Passage) -> None:
        language = passage.meta.get("language")
        language = language if isinstance(language, str) else ENGLISH
        found = set[str]()
        for raw in set(written(passage.embedded)):
            found.update(words := spelt(raw))
            self.terms.update(map(term_id, (*terms_of(raw, language), *words)))
        self.words.update(found)


_Counts: TypeAlias = dict[Access, _Counted]


async def _words(index: Index, documents: Sequence[tuple[str, int]]) -> _Counts | None:
    """What these documents say; None where that is too much."""
    counts: _Counts = {}
    for sources in _batches(documents):
        found = await index.around([(source, 0, _LAST) for source in sources])
        passages = [one for some in found for one in some]
        for start in range(0, len(passages), _COUNTED):
            began = time.monotonic()
            await asyncio.to_thread(_counted, counts, passages[start : start + _COUNTED])
            await asyncio.sleep(time.monotonic() - began)  # searches come first
        if sum(len(each.words) for each in counts.values()) > MOST:
            return None
    return counts


def _batches(documents: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    batch: list[str] = []
    passages = 0
    for source, many in documents:
        batch.append(source)
        passages += many or 1
        if len(batch) == _DOCUMENTS or passages >= _PASSAGES:
            yield batch
            batch, passages = [], 0
    if batch:
        yield batch


def _counted(counts: _Counts, passages: Sequence[Passage]) -> None:
    for passage in passages:
        counts.setdefault(_access(passage.meta), _Counted()).add(passage)


def _together(before: Vocabulary | None, fresh: _Counts) -> Vocabulary:
    """What was known, and what was read now."""
    known = dict(before.by_access) if before else {}
    for access, counted in fresh.items():
        if earlier := known.get(access):
            counted.words.update(dict(earlier))
            counted.terms.update(earlier.terms)
        known[access] = Lexicon(counted.words, counted.terms)
    return Vocabulary(known)


def _access(meta: Metadata) -> Access:
    """Who may see a document; when is another matter."""
    whole = stored(meta)
    return Access(whole.tenant, whole.groups)
