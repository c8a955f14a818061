"""Targets as a user writes them to one source of all that they hold."""

from __future__ import annotations

import glob
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.sources.archives import Archive, is_archive
from retrieval.sources.fetching import Fetcher, split
from retrieval.sources.files import Files, opened, printable, stamp
from retrieval.sources.members import inside
from retrieval.sources.pages import Page
from retrieval.sources.s3 import Bucket
from retrieval.sources.sitemap import Sitemap, is_sitemap
from retrieval.sources.stdin import Given
from retrieval.sources.types import BadSource, Item, Listing, Source
from retrieval.urls import without_password

STDIN = "-"
_MAGIC = "*?["
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


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


def source(
    targets: Sequence[str],
    config: SourcesConfig | None = None,
    *,
    name: str = "",
    stdin: BinaryIO | None = None,
) -> Source:
    """What all these targets hold: paths, patterns, URLs, buckets, and `-` for standard input.

    `name` is what standard input is known by. Raises BadSource for a target that cannot be."""
    config = config or SourcesConfig()
    if targets.count(STDIN) > 1:
        raise BadSource("Standard input can be read once.")
    if name and STDIN not in targets:
        raise BadSource("A name is given for standard input, which is not read: add `-`.")
    parts: list[Source] = []
    for target in targets:
        if target == STDIN:
            parts.append(_given(name, stdin))
        elif scheme := _SCHEME.match(target):
            parts.append(_remote(target, scheme[1].lower(), config))
        else:
            parts += _files(target)
    return Together(parts)


def absolute(targets: Sequence[str]) -> list[str]:
    """The same targets for a process that works in another folder."""
    return [each if each == STDIN or _SCHEME.match(each) else _rooted(each) for each in targets]


def _rooted(target: str) -> str:
    # Not resolved: a link keeps its name, and a pattern its signs.
    return os.path.join(os.getcwd(), target)


def _given(name: str, stdin: BinaryIO | None) -> Source:
    if not name:
        raise BadSource("What comes by standard input needs a name: --name report.md.")
    try:
        known_by = inside(name)
    except Unreadable as error:
        raise BadSource(f"{name!r} is no name for a document: {error.reason}") from error
    return Given(known_by, stdin or sys.stdin.buffer)


def _remote(url: str, scheme: str, config: SourcesConfig) -> Source:
    if scheme == "s3":
        return Bucket(url, config)
    try:
        split(url)
    except Unreadable as error:
        what = f"{without_password(url)}: {error.reason}"
        raise BadSource(f"{what}; what can be read is http, https and s3") from error
    fetcher = Fetcher(config)
    return Sitemap(url, fetcher) if is_sitemap(url) else Page(url, fetcher)


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
