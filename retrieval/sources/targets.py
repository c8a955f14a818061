"""Targets as a user writes them to one source: files, folders and patterns of them."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from retrieval.sources.archives import Archive, is_archive
from retrieval.sources.files import Files, opened, printable, stamp
from retrieval.sources.types import BadSource, Item, Listing, Source

_MAGIC = "*?["


@dataclass(frozen=True, slots=True)
class Together:
    """Several sources as one, in which no two items have one name."""

    parts: Sequence[Source]

    def items(self, listing: Listing) -> Iterator[Item]:
        """The items of each part after the other. Raises BadSource for a name that comes twice."""
        named: dict[str, str] = {}
        for part in self.parts:
            for item in part.items(listing):
                shown = item.shown or item.source
                if item.source not in named:
                    named[item.source] = shown
                    yield item
                    continue
                other = named[item.source]
                if other != shown and os.path.realpath(other) != os.path.realpath(shown):
                    raise BadSource(
                        f"Two files would be the document {item.source!r}: {other} and {shown}. "
                        "Ingest the folder above them, or use two collections."
                    )


def source(targets: Sequence[str]) -> Source:
    """What all these targets hold. Raises BadSource for one that cannot be."""
    return Together([part for target in targets for part in _files(target)])


def _files(target: str) -> Iterator[Source]:
    """A path, or a pattern that the shell has left alone: named below its fixed part."""
    path = Path(target)
    if os.path.lexists(path) or not any(sign in target for sign in _MAGIC):
        yield _local(path)
        return
    found = sorted(glob.glob(target, recursive=True))
    if "**" in path.parts:
        found = [each for each in found if not os.path.isdir(each)]
    if not found:
        raise BadSource(f"No such file or folder: {printable(target)}")
    root = _fixed(path)
    yield from (_local(Path(each), root) for each in found)


def _local(path: Path, root: Path | None = None) -> Source:
    """A folder, a file or an archive; `root` is what it is named below."""
    if is_archive(path.name) and path.is_file():
        name = path.relative_to(root or path.parent).as_posix()
        marked = stamp(path.stat(), time.time())
        return Archive(name, printable(path), partial(opened, path), marked)
    return Files(path, root)


def _fixed(pattern: Path) -> Path:
    """The folder that stands before the first part with a sign of a pattern in it."""
    parts: list[str] = []
    for part in pattern.parts:
        if any(sign in part for sign in _MAGIC):
            break
        parts.append(part)
    return Path(*parts)
