"""What has come of an ingestion so far: counts, failures, and what is live in the index by now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from retrieval.ingestion.events import Failure, Progress, Report
from retrieval.sources.types import Item, Listing
from retrieval.types import Embedded, Recorded, versioned

_STEP = 50
"""Unchanged files that are told of at once."""


@dataclass(slots=True)
class Tally:
    """Grows with the work; each step is told."""

    live: dict[str, Recorded]
    """What the index holds, kept up to date with every write."""
    told: Callable[[Progress], None]
    began: float = field(default_factory=time.monotonic)
    files: int = 0
    listed: bool = False
    unsized: int = 0
    size: int = 0
    size_done: float = 0.0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    reused: int = 0
    failed: list[Failure] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    notice: str = ""

    def expect(self, items: Iterable[Item]) -> None:
        """These were listed."""
        for item in items:
            self.files += 1
            self.size += item.size
            self.unsized += not item.size
        self.tell()

    def sized(self, item: Item, size: int) -> None:
        """It was read, and that many bytes it has."""
        if not item.size:
            self.unsized -= 1
            self.size += size

    def fail(self, name: str, reason: str, size: float = 0) -> None:
        self.failed.append(Failure(name, reason))
        self.size_done += size
        self.tell(self.failed[-1])

    def keep(self, size: int) -> None:
        """One of that size is as it was."""
        self.unchanged += 1
        self.size_done += size
        if self.unchanged % _STEP == 0:  # there may be millions, of some microseconds each
            self.tell()

    def vectors(self, encoded: int, reused: int, size: float) -> None:
        self.passages += encoded
        self.reused += reused
        self.size_done += size
        self.tell()

    def stored(self, documents: Iterable[Embedded]) -> None:
        """These were written."""
        for one in documents:
            if self._retire(one.source):
                self.changed += 1
            else:
                self.added += 1
            self.live[one.source] = recorded(one)
            self.retired += self._superseded(self.live[one.source])
        self.tell()

    def gone(self, sources: Iterable[str]) -> None:
        """These were removed."""
        for source in sources:
            self.removed += self._retire(source)
        self.tell()

    def say(self, notice: str) -> None:
        """Something happens that is no progress."""
        self.tell(notice=notice)

    def tell(self, failure: Failure | None = None, notice: str = "") -> None:
        done = self.added + self.changed + self.unchanged + len(self.failed)
        self.told(
            Progress(
                self.files,
                min(done, self.files),
                self.size,
                min(round(self.size_done), self.size),
                self.passages,
                self.seconds,
                failure,
                self.listed,
                self.unsized,
                notice,
            )
        )

    def report(self, listing: Listing) -> Report:
        return Report(
            self.added,
            self.changed,
            self.unchanged,
            self.removed,
            tuple(Failure(*each) for each in listing.skipped),
            tuple(self.failed),
            self.passages,
            self.seconds,
            tuple(self.retired),
            self.notice,
            self.reused,
        )

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 3)

    def _superseded(self, known: Recorded) -> list[str]:
        """Live versions that lose to this document, though they stay where they are."""
        named = known.meta.get("supersedes", ())
        sources = named if isinstance(named, Sequence) and not isinstance(named, str) else ()
        return [versioned(name, self.live[name].version) for name in sources if name in self.live]

    def _retire(self, source: str) -> bool:
        if old := self.live.pop(source, None):
            self.retired.append(versioned(source, old.version))
        return old is not None


def recorded(document: Embedded) -> Recorded:
    """What the index will say of a document."""
    first = document.passages[0]
    return Recorded(
        version=document.version,
        recipe=document.recipe,
        stamp=document.stamp,
        title=first.title,
        passages=len(document.passages),
        meta=first.meta,
    )
