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
_GRACE = 3_600.0
"""Seconds in which what was placed may still have no name: it is given one afterwards."""
_BROKEN_OFF = 86_400.0
"""Seconds after which nobody works in a room any more."""


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
            if self.holds(content):
                os.utime(place, (self._clock(), self._clock()))
                return place
            if place.exists():  # and is damaged: engines that have it open keep their copy
                self._discarded(place)
            os.utime(room, (self._clock(), self._clock()))
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
        """Remove what bears none of these digests, and what was left unfinished; say what it was.

        What was placed a short while ago stays: its name may be on its way."""
        if not self.root.is_dir():
            return []
        removed = []
        with self._alone():
            for place in sorted(self.root.iterdir()):
                with suppress(FileNotFoundError):
                    age = self._clock() - place.stat().st_mtime
                    if _DIGEST.fullmatch(place.name):
                        if place.name not in named and age > _GRACE:
                            self._discarded(place)
                            removed.append(place.name)
                    elif place.name.startswith(_ROOM) and age > _BROKEN_OFF:
                        _removed(place)
        return removed

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
