"""Server-sent events as plain state: bytes in, the data of whole events out, no I/O.

It knows nothing of JSON. Lines may end in LF, CRLF or CR, and be cut anywhere, also between the
two bytes of a CRLF or inside a character.
"""

from __future__ import annotations


class EventTooLarge(Exception):
    """A line or an event is larger than is allowed."""


class EventParser:
    """Collects the `data` of events. Other fields and comments are of no use to us."""

    __slots__ = ("_after_cr", "_data", "_limit", "_partial", "_size", "_started")

    def __init__(self, limit: int = 8 * 2**20) -> None:
        self._limit = limit
        self._partial: list[bytes] = []  # pieces of the line that has not ended yet
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._size = 0  # bytes in both
        self._after_cr = False  # a LF that comes next belongs to a line that is over
        self._started = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that this piece completes. Raises EventTooLarge."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if not piece:
            return []
        if piece[-1] == 13:
            self._after_cr = True
        elif piece[-1] != 10 and b"\n" not in piece and b"\r" not in piece:
            self._keep(self._partial, piece)
            return []
        if self._partial:
            piece = b"".join((*self._partial, piece))
            self._partial.clear()
            self._size = sum(map(len, self._data)) + len(self._data)
        if not self._started:
            self._started = True
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        lines = piece.splitlines()
        if piece and piece[-1] not in (10, 13):
            self._keep(self._partial, lines.pop())
        return self._events(lines)

    def finish(self) -> list[bytes]:
        """What the end of the stream completes: a last event without its empty line."""
        last = [b"".join(self._partial)] if self._partial else []
        self._partial.clear()
        return self._events([*last, b""])

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                self._keep(data, line[6:] if line[5:6] == b" " else line[5:])
            elif not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                    self._size = 0
            elif line == b"data":
                self._keep(data, b"")
        return events

    def _keep(self, where: list[bytes], piece: bytes) -> None:
        self._size += len(piece) + 1  # empty ones take room as well
        if self._size > self._limit:
            raise EventTooLarge(f"An event is larger than {self._limit} bytes.")
        where.append(piece)
