"""When watched files have changed, and which of their documents have vanished with that.

All is listed anew each time, since stamps make that cheap and no missed event can last; what the
system tells of changes only says when. It does not know what is done about them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from retrieval.sources.files import hidden
from retrieval.sources.targets import source
from retrieval.sources.types import BadSource, Listing
from retrieval.urls import without_password

_DEBOUNCE, _STEP = 2_000, 100
"""Milliseconds: a copy of many files is one change, which ends when nothing comes for a step."""
_MAGIC = frozenset("*?[")


async def vanished(targets: Sequence[str]) -> AsyncGenerator[list[str]]:
    """At once, and after every change: the documents that are gone since the time before.

    Ends only by being closed. Raises BadSource for targets that cannot be watched."""
    known: set[str] = set()
    async with aclosing(_changes(roots(targets))) as changes:
        async for _ in changes:
            found = await asyncio.to_thread(_sources, targets)
            if found is None:  # what cannot be looked into for a moment has not vanished
                yield []
                continue
            yield sorted(known - found)
            known = found


def roots(targets: Sequence[str]) -> list[Path]:
    """The folders to watch; a file is watched by its folder's, since editors replace it."""
    found: dict[Path, None] = {}
    for target in targets:
        if "://" in target:
            raise BadSource(f"Only files can be watched, not {without_password(target)}.")
        path = Path(target)
        while not path.exists() and _MAGIC & set(str(path)):
            path = path.parent
        if not path.exists():
            raise BadSource(f"No such file or folder: {target}")
        found[path if path.is_dir() else path.parent] = None
    return list(found)


async def _changes(folders: Sequence[Path]) -> AsyncGenerator[None]:
    """Once at first, and after each change."""
    from watchfiles import Change, awatch

    def seen(change: Change, path: str) -> bool:
        below = (Path(path).relative_to(f) for f in folders if Path(path).is_relative_to(f))
        return not all(any(map(hidden, found.parts)) for found in below)

    async with aclosing(
        awatch(*folders, watch_filter=seen, debounce=_DEBOUNCE, step=_STEP)
    ) as told:
        # It watches from here on, before anybody has looked: what changes meanwhile is not missed.
        change = asyncio.ensure_future(anext(told))
        try:
            await asyncio.sleep(0)
            while True:
                yield
                await change
                change = asyncio.ensure_future(anext(told))
        finally:
            change.cancel()
            await asyncio.wait({change})


def _sources(targets: Sequence[str]) -> set[str] | None:
    """What the targets hold; None where not all of it could be listed."""
    listing = Listing()
    try:
        found = {item.source for item in source(targets).items(listing)}
    except BadSource:
        return None
    return None if listing.unlisted else found
