"""An adapter in a folder of this machine. It is copied, so that nobody changes it any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.content import CONFIG, KEPT, complete, opened
from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.sources.types import fits

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder. Links are followed as far as they stay in it."""

    path: Path
    max_bytes: int

    def fetch(self, room: Path) -> str:
        """Copy its files. Raises BadAdapter."""
        root = Path(os.path.realpath(self.path))
        complete(list(_names(root)))
        for name in KEPT:
            copied(root, root / name, room / name, self.max_bytes)
        return str(root)


def _names(root: Path) -> Iterator[str]:
    """What lies in a folder, and whether there is an adapter one step further down."""
    try:
        found = sorted(os.listdir(root))
    except FileNotFoundError as error:
        raise BadAdapter("not_found", f"there is no folder {shown(str(root))}") from error
    except OSError as error:
        raise BadAdapter("not_found", f"{shown(str(root))}: {error.strerror}") from error
    for name in found:
        yield name
        if (root / name / CONFIG).is_file():
            yield f"{name}/{CONFIG}"


def copied(root: Path, path: Path, target: Path, limit: int) -> None:
    """Copy a file that lies below a folder, also by way of links. Raises BadAdapter."""
    meant = Path(os.path.realpath(path))
    if not meant.is_relative_to(os.path.realpath(root)):
        raise BadAdapter("insecure", f"{path.name} is a link that leads out of the folder")
    with opened(meant.parent, meant.name) as file, target.open("wb") as copy:
        fits(path.name, os.fstat(file.fileno()).st_size, limit)
        written = 0
        while piece := file.read(_CHUNK):
            written += len(piece)
            fits(path.name, written, limit)  # it may grow meanwhile
            copy.write(piece)
