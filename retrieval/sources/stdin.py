"""Standard input as a source: one document, or an archive of them, under a name that is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from retrieval.parsing.formats import LIMITS, Limits
from retrieval.sources.archives import Archive, is_archive
from retrieval.sources.members import kept
from retrieval.sources.reading import chunks, whole
from retrieval.sources.types import Item, Listing


@dataclass(frozen=True, slots=True)
class Given:
    """What comes in a stream, which can be read once."""

    name: str
    stream: BinaryIO
    limits: Limits = LIMITS

    def items(self, listing: Listing) -> Iterator[Item]:
        """The document; the members, where the name is an archive's."""
        if is_archive(self.name):
            opened = partial(kept, chunks(self.stream))
            yield from Archive(self.name, self.name, opened, limits=self.limits).items(listing)
        else:
            yield Item(self.name, self.name, 0, self._read)

    def _read(self) -> bytes:
        return whole(chunks(self.stream), self.name, 0, self.limits)
