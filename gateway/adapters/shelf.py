"""Adapters' files by what they hold: `<root>/<digest>/`, placed whole, never changed, read-only.

Engines are told these paths, so one path never holds two contents. Any number of processes may
place and sweep at once, on one machine or a volume that they share. Which adapters there are is
not known here.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from gateway.adapters.content import KEPT, digest
from gateway.adapters.failures import BadAdapter

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ROOM = ".room-"
_NAMELESS = ".nameless-"
_GRACE = 86_400.0
"""Seconds for which what has no name stays. Its name may be on its way; and an engine that knows it
still, and is asked for it, dies where it finds no folder."""


class Shelf:
    """One folder of adapters."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self._clock = clock

    def path(self, content: str) -> Path:
        """Where an adapter of this digest lies, or would."""
        if not _DIGEST.fullmatch(content):
            raise ValueError(f"{content!r} is no digest")
        return self.root / content

    @contextmanager
    def room(self) -> Iterator[Path]:
        """An empty folder to fetch into, on the shelf's own file system; gone afterwards."""
        self.root.mkdir(parents=True, exist_ok=True)
        room = Path(mkdtemp(prefix=_ROOM, dir=self.root))
        try:
            yield room
        finally:
            _removed(room)

    def put(self, room: Path, content: str) -> Path:
        """Place what was fetched into a room, once. Raises BadAdapter if it is not what it was."""
        place = self.path(content)
        if digest(room) != content:
            raise BadAdapter("corrupt", "its files have changed since they were checked")
        for name in KEPT:
            _settled(room / name)
        with self._alone():
            self._mark(content).unlink(missing_ok=True)
            if self.holds(content):
                return place
            if place.exists():  # and is damaged
                self._discarded(place)
            room.chmod(0o555)
            room.rename(place)
            _synced(self.root)
        return place

    def holds(self, content: str) -> bool:
        """Whether it lies here, undamaged. Reads it whole."""
        try:
            return digest(self.path(content)) == content
        except BadAdapter:
            return False

    def sweep(self, named: Collection[str]) -> list[str]:
        """Remove what has borne none of these digests for a day, and what was left unfinished.

        Says which digests it removed. One sweep marks what the sweeps of the next day remove."""
        if not self.root.is_dir():
            return []
        removed = []
        with self._alone():
            for place in sorted(self.root.iterdir()):
                if _DIGEST.fullmatch(place.name):
                    if self._nameless_for(place.name, named) > _GRACE:
                        self._discarded(place)
                        self._mark(place.name).unlink()
                        removed.append(place.name)
                elif place.name.startswith(_ROOM):
                    with suppress(FileNotFoundError):  # whoever is in it may be done just now
                        if self._clock() - place.stat().st_mtime > _GRACE:
                            _removed(place)
        return removed

    def _nameless_for(self, content: str, named: Collection[str]) -> float:
        """Seconds since a sweep first found that nobody names it."""
        mark = self._mark(content)
        if content in named:
            mark.unlink(missing_ok=True)
            return 0.0
        now = self._clock()
        if not mark.exists():
            mark.touch()
            os.utime(mark, (now, now))
        return now - mark.stat().st_mtime

    def _mark(self, content: str) -> Path:
        return self.root / f"{_NAMELESS}{content}"

    def _discarded(self, place: Path) -> None:
        """Gone at once for who looks, in its own time from the disk."""
        aside = Path(mkdtemp(prefix=_ROOM, dir=self.root))
        place.chmod(0o755)  # a folder that goes into another one is written to
        place.rename(aside / place.name)
        _removed(aside)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _removed(folder: Path) -> None:
    with suppress(FileNotFoundError):
        for above, _, _ in os.walk(folder):
            os.chmod(above, 0o755)
        shutil.rmtree(folder)


def _settled(file: Path) -> None:
    """On the disk, and read-only."""
    file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    _synced(file)


def _synced(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
