"""Paths to files and the names that their documents go by. Looks at names, opens nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.parsing.formats import known
from retrieval.types import RetrievalError


class BadPaths(RetrievalError):
    """What was asked for cannot be ingested at all: no such path, or one name for two files."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to read, and what its document is known by: its path below the given folder."""

    path: Path
    source: str
    size: int


@dataclass(slots=True)
class Found:
    """What stands below the given paths."""

    files: list[File] = field(default_factory=list)
    skipped: int = 0  # hidden, of an unknown format, or linked from outside
    unlisted: list[tuple[Path, str]] = field(default_factory=list)  # with the reason


def find(paths: Sequence[Path]) -> Found:
    """All files below the paths, in order. Raises BadPaths."""
    found = Found()
    sources: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise BadPaths(f"No such file or folder: {path}")
        files = _below(path, found) if path.is_dir() else iter([(path, path.name)])
        for file, source in files:
            try:
                source.encode()
                size = file.stat().st_size
            except UnicodeEncodeError:
                found.unlisted.append((file, "its name is not UTF-8"))
                continue
            except OSError as error:
                found.unlisted.append((file, f"cannot be read: {error.strerror}"))
                continue
            other = sources.setdefault(source, file)
            if other is file:
                found.files.append(File(file, source, size))
            elif other.resolve() != file.resolve():
                raise BadPaths(
                    f"Two files would be the document {source!r}: {other} and {file}. "
                    "Ingest the folder above them, or use two collections."
                )
    return found


def _below(root: Path, found: Found) -> Iterator[tuple[Path, str]]:
    """Files of known formats in a folder and the folders in it."""
    inside = root.resolve()

    def unlisted(error: OSError) -> None:
        where = Path(os.fsdecode(error.filename))
        found.unlisted.append((where, f"cannot be listed: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=unlisted):
        hidden = [name for name in folders if _hidden(name) or os.path.islink(_join(folder, name))]
        found.skipped += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        for name in sorted(names):
            path = Path(folder, name)
            if _hidden(name) or not known(path) or not _within(path, inside):
                found.skipped += 1
            else:
                yield path, path.relative_to(root).as_posix()


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)


def _hidden(name: str) -> bool:
    """A dot file, or the lock file that Word leaves beside an open document."""
    return name.startswith((".", "~$"))


def _within(path: Path, root: Path) -> bool:
    """A link may point to another file of the same folder, not out of it."""
    return not path.is_symlink() or path.resolve().is_relative_to(root)
