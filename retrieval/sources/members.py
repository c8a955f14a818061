"""What stands in an archive, before anything of it is read: names, sizes, and what is refused.

Nothing is ever unpacked into a folder, so a name can do no harm there; but it becomes a document's
name, and that has to mean the same everywhere.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader, FileIO

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import megabytes

MOST = 100_000
"""Members of one archive."""
_LARGEST = 2_000_000_000  # bytes of an archive that is not a file yet
_LONGEST_NAME = 1_024
_RATIO = 200
"""Text packs to a fifth, tables to a thirtieth; what packs to less than this is made to hurt."""
_SMALL = 10_000_000  # bytes that may well come from nothing
_TOTAL = 20_000_000_000
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, as the archive's list tells of it."""

    name: str  # as it stands there
    size: int
    place: int  # where it begins
    chunks: Callable[[], Iterator[bytes]]
    """Its bytes in pieces, from a thread. Raises Unreadable."""
    skipped: str = ""  # why it is no document at all, such as a link
    sealed: str = ""  # why it cannot be read


class Held(FileIO):
    """An archive's file, open as long as a member of it is known to anybody."""

    def __del__(self) -> None:
        self.close()

    @property
    def length(self) -> int:
        """Its size, told without moving in it."""
        return os.fstat(self.fileno()).st_size


class Listed(BufferedReader):
    """An archive's file, of which no library reads more at once than a list may take.

    Both formats let a few bytes announce gigabytes of names."""

    def __init__(self, file: Held, most: int) -> None:
        file.seek(0)
        super().__init__(FileIO(file.fileno(), closefd=False))
        self._owner = file
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and 0 <= size <= self._most:
            return super().read(size)
        data = super().read(self._most + 1)
        if len(data) > self._most:
            raise Unreadable(f"its list of members takes more than {megabytes(self._most)}")
        return data


def kept(chunks: Iterator[bytes]) -> Held:
    """An archive that comes in a stream, as a file without a name: a list needs both its ends.

    Raises Unreadable and OSError."""
    with tempfile.TemporaryFile(buffering=0) as nameless:
        held = Held(os.dup(nameless.fileno()), "r+")
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _LARGEST:
            raise Unreadable(f"too large: more than {megabytes(_LARGEST)}")
        held.write(chunk)
    return held


def inside(name: str) -> str:
    """A member's name as a path below its archive. Raises Unreadable for one that is none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Unreadable("its name is not UTF-8") from None
    if _CONTROL.search(name):
        raise Unreadable("its name has control characters")
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or _DRIVE.match(name):
        raise Unreadable("its name is an absolute path")
    if ".." in parts:
        raise Unreadable("its name leads out of the archive")
    path = "/".join(part for part in parts if part not in ("", "."))
    if not path or len(path) > _LONGEST_NAME:
        raise Unreadable("its name is empty or too long")
    return path


def bomb(size: int, packed: int) -> str:
    """Why so much from so little is not unpacked; empty where it is in proportion."""
    if size > _TOTAL:
        return f"too large: it unpacks to {megabytes(size)}, the limit is {megabytes(_TOTAL)}"
    if size > max(_SMALL, packed * _RATIO):
        return f"a bomb: {megabytes(packed)} would unpack to {megabytes(size)}"
    return ""
