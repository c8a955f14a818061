"""A file, or a folder with all that is below it, as items. Looks at names, opens nothing early."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Limits, known
from retrieval.sources.archives import is_archive
from retrieval.sources.members import Held
from retrieval.sources.reading import chunks, whole
from retrieval.sources.sidecars import LONGEST, Sidecars, is_sidecar
from retrieval.sources.types import BadSource, Item, Listing

_TICK = 2.0
"""Seconds in which a file may change twice and show one time of change."""


@dataclass(frozen=True, slots=True)
class Files:
    """What is below a path. A document is known by its path below `root`.

    Without a root that is the path itself, or the folder that holds the file."""

    path: Path
    root: Path | None = None
    limits: Limits = LIMITS

    def items(self, listing: Listing) -> Iterator[Item]:
        """Files of known formats in order; a file that was itself named, whatever it is."""
        if not self.path.exists():
            raise BadSource(f"No such file or folder: {printable(self.path)}")
        if self.path.is_dir():
            root, paths = self.root or self.path, _below(self.path, listing)
        else:
            root, paths = self.root or self.path.parent, iter([self.path])
        sidecars = Sidecars(partial(_beside, root))
        for path in paths:
            if is_sidecar(path.name):
                listing.skipped.append((printable(path), "metadata of other files"))
            elif item := self._item(path, path.relative_to(root), listing):
                yield sidecars.described(item, item.source)

    def _item(self, path: Path, below: Path, listing: Listing) -> Item | None:
        source = below.as_posix()
        try:
            source.encode()
            status = path.stat()
        except UnicodeEncodeError:
            listing.unlisted.append((printable(path), "its name is not UTF-8"))
            return None
        except OSError as error:
            listing.unlisted.append((printable(path), _reason(error)))
            return None
        return Item(
            source,
            PurePosixPath(source).name,
            status.st_size,
            partial(read, path, self.limits),
            stamp(status, time.time()),
            printable(path),
            portable=path.is_absolute(),
        )


def read(path: Path, limits: Limits = LIMITS) -> bytes:
    """A file's bytes. Raises Unreadable."""
    try:
        with opened(path) as file:
            return whole(chunks(file), path.name, os.fstat(file.fileno()).st_size, limits)
    except OSError as error:
        raise Unreadable(_reason(error)) from error


def opened(path: Path) -> Held:
    """A file to read. Raises Unreadable for what is none, and OSError."""
    # A pipe would be waited for, were it not opened so.
    file = Held(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise Unreadable("not a regular file")


def _beside(root: Path, name: str) -> bytes | None:
    """A sidecar, for whom a link that leads out of the folder is no more good than for a file."""
    path = root / name
    try:
        with opened(path) as file:
            if not path.resolve().is_relative_to(root.resolve()):
                raise Unreadable(f"{path.name} is a link that leads out of the folder")
            return file.read(LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{path.name} {_reason(error)}") from error


def stamp(status: os.stat_result, now: float) -> str:
    """Changes with the file; empty where it has changed so lately that it may again, unseen."""
    if now - max(status.st_mtime, status.st_ctime) < _TICK:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def printable(path: Path | str) -> str:
    """A path as it can be written, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def hidden(name: str) -> bool:
    """A dot file, or the lock file that Word leaves beside an open document."""
    return name.startswith((".", "~$"))


def _below(root: Path, listing: Listing) -> Iterator[Path]:
    """Files of known formats in a folder and the folders in it."""
    inside = root.resolve()

    def unlisted(error: OSError) -> None:
        where = printable(os.fsdecode(error.filename))
        listing.unlisted.append((where, f"cannot be listed: {error.strerror}"))

    def kept(path: Path, reason: str) -> bool:
        if reason:
            listing.skipped.append((printable(path), reason))
        return not reason

    for folder, folders, names in os.walk(root, onerror=unlisted):
        here = Path(folder)
        folders[:] = [each for each in sorted(folders) if kept(here / each, _closed(here / each))]
        for name in sorted(names):
            if kept(here / name, _unfit(here / name, inside)):
                yield here / name


def _closed(folder: Path) -> str:
    """Why a folder is not looked into."""
    if hidden(folder.name):
        return "hidden"
    return "a link to a folder" if folder.is_symlink() else ""


def _unfit(path: Path, inside: Path) -> str:
    """Why a file is not read."""
    if hidden(path.name):
        return "hidden"
    if is_archive(path.name):
        return "an archive: name it to have it looked into"
    if not known(path) and not is_sidecar(path.name):
        return "unknown format"
    # A link may point to another file of the same folder, not out of it.
    if path.is_symlink() and not path.resolve().is_relative_to(inside):
        return "a link that leads out of the folder"
    return ""


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
