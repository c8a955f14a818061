"""Metadata that lies beside a document: `report.pdf.meta.toml`, and `_meta.toml` for a folder.

What is nearer goes before what is further: the file's own, its folder's, the folder's above. It
does not know where the files lie: names go in, bytes come.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

from retrieval.metadata import BadMetadata, Value, checked
from retrieval.parsing.draft import Unreadable
from retrieval.sources.reading import refuse
from retrieval.sources.types import Item

_ENDS = (".meta.json", ".meta.toml")
_FOLDER = "_meta.toml"
LONGEST = 1 << 16

Lookup = Callable[[str], bytes | None]
"""The bytes of a file by its path, at most one more than LONGEST; None where there is none.

Raises Unreadable."""


def is_sidecar(name: str) -> bool:
    """Whether a file is not a document, but speaks of others."""
    base = name.rpartition("/")[2]
    return base == _FOLDER or base.endswith(_ENDS)


@dataclass(frozen=True, slots=True)
class Sidecars:
    """All that lies beside the documents of one place."""

    lookup: Lookup
    _folders: dict[str, dict[str, Value] | Unreadable] = field(default_factory=dict)

    def described(self, item: Item, path: str) -> Item:
        """The item with what is said of it; unreadable where that cannot be understood.

        A document whose groups are not known must not be shown to everybody."""
        try:
            meta = self._folder(PurePosixPath(path).parent) | self._own(path)
        except Unreadable as error:
            return replace(item, read=partial(refuse, error.reason), stamp="")
        if item.foreign:  # and so is what lies beside it
            meta.pop("supersedes", None)
        if not meta:
            return item
        stamp = f"{item.stamp}+{digest(meta)}" if item.stamp else ""
        return replace(item, meta={**meta, **item.meta}, stamp=stamp)

    def _own(self, path: str) -> dict[str, Value]:
        names = [path + end for end in _ENDS]
        found = [(name, data) for name in names if (data := self.lookup(name)) is not None]
        if len(found) > 1:
            raise Unreadable(f"it is described twice: by {_base(found[0][0])} and by .toml")
        return _parsed(*found[0]) if found else {}

    def _folder(self, folder: PurePosixPath) -> dict[str, Value]:
        """What holds for all files of a folder, with what holds for the folders above it."""
        meta: dict[str, Value] = {}
        for each in _down(folder):
            name = str(each / _FOLDER)
            if name not in self._folders:
                self._folders[name] = self._looked_up(name)
            found = self._folders[name]
            if isinstance(found, Unreadable):
                raise Unreadable(found.reason)
            meta |= found
        return meta

    def _looked_up(self, name: str) -> dict[str, Value] | Unreadable:
        try:
            data = self.lookup(name)
            return {} if data is None else _parsed(name, data)
        except Unreadable as error:
            return error


def digest(meta: Mapping[str, object]) -> str:
    """Changes with the metadata."""
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()[:16]


def _down(folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """A folder and all above it, from the top."""
    yield from reversed(folder.parents)
    yield folder


def _parsed(path: str, data: bytes) -> dict[str, Value]:
    name = _base(path)
    if len(data) > LONGEST:
        raise Unreadable(f"{name} is too large: the limit is {LONGEST:,} bytes")
    try:
        text = data.decode("utf-8-sig")
        raw = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
        if not isinstance(raw, dict):
            raise BadMetadata("it is no object")
        return checked(raw)
    except (ValueError, RecursionError, BadMetadata) as error:
        raise Unreadable(f"{name} is wrong: {error}") from error


def _base(path: str) -> str:
    return path.rpartition("/")[2]
