"""A source's items while it is still being listed: a thread goes ahead, but not without end.

Items are small, but there may be millions; so many are listed ahead that the totals are known early
for whatever fits in memory easily.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence

from retrieval.sources.types import Item, Listing, Source

BATCHES = 100
_BATCH = 512
"""Batches that wait, and items of one: fifty thousand."""
_PAUSE = 0.2
"""Seconds after which a slow source hands on what it has."""


async def listed(source: Source, listing: Listing) -> AsyncGenerator[Sequence[Item]]:
    """The items in batches, as they are found. Raises BadSource."""
    items: Iterator[Item] | None = None

    def batch() -> list[Item]:
        nonlocal items
        if items is None:
            items = iter(source.items(listing))
        found: list[Item] = []
        until = time.monotonic() + _PAUSE
        for item in items:
            found.append(item)
            if len(found) == _BATCH or time.monotonic() > until:
                break
        return found

    while found := await asyncio.to_thread(batch):
        yield found
