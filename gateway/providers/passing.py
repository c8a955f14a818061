"""A streamed answer's bytes, passed on as they came as far as nobody has to look into them.

Chunks that only carry an answer on are scanned for what would make them more than that: an end,
a count of tokens, an error. Whatever looks unusual is taken apart instead, so that a scan can be
wasteful but not wrong. No I/O.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.providers.completions import END, Garbled, Seen, loaded, speaks
from gateway.providers.wire.sse import EventParser
from gateway.types import Delta, Verbatim

_COMPACT = (b"data: [", b'"finish_reason":"', b'"usage":{', b'"error"')
_SPACED = (b"data: [", b'"finish_reason": "', b'"usage": {', b'"error"')
_LAST = b"data: [DONE]\n\n"
_NEVER = b"\0"  # in JSON
LONG = 64 * 2**10  # bytes of an event; the parser collects longer ones without copying them again


class Apart:
    """Takes every event apart. `pieces` are what has come of them and is not yet taken."""

    def __init__(self, seen: Seen, limit: int) -> None:
        self.pieces: list[Delta | Verbatim] = []
        self.spoke = False
        self._seen = seen
        self._parser = EventParser(limit)

    def feed(self, data: bytes) -> None:
        """More of the stream, or its end. Raises Garbled, Reported and EventTooLarge."""
        for event in self._parser.feed(data) if data else self._parser.finish():
            self._take(self._end() if event == END else self._seen.read(event))
            if self._seen.ended:
                return

    def taken(self) -> list[Delta | Verbatim]:
        pieces, self.pieces = self.pieces, []
        return pieces

    def _end(self) -> list[Delta]:
        """An end is no answer: something must have been said, be it only why there is no more."""
        if not self.spoke:
            raise Garbled("it ends before it says anything")
        return self._seen.end()

    def _take(self, deltas: list[Delta]) -> None:
        if not self.spoke:
            self.spoke = any(map(speaks, deltas))
        self.pieces += deltas


class Passed(Apart):
    """Passes on what can be passed on: of one choice, in chunks of a line each."""

    def __init__(self, seen: Seen, limit: int) -> None:
        super().__init__(seen, limit)
        self._tail = b""  # of an event that has not ended
        self._id = b""
        self._model = b""
        # Both, until it is seen how this provider writes JSON.
        self._marks: tuple[bytes, ...] = (*_COMPACT, *_SPACED)
        self._unusual = False  # not one `data:` line an event: all is taken apart from here on

    def feed(self, data: bytes) -> None:
        if self._unusual:
            super().feed(data)
            return
        if not data:
            if self._tail:
                super().feed(self._tail)
            super().feed(b"")
            return
        data = self._tail + data
        end = data.rfind(b"\n\n") + 2
        if b"\r" in data:
            self._take_apart(data)
        elif end < 2:
            self._tail = data
            if len(data) > LONG:
                self._take_apart(data)
        elif not _one_line_each(data[:end]):
            self._take_apart(data)
        else:
            self._tail = data[end:]
            self._pass_on(data[:end])

    def _take_apart(self, data: bytes) -> None:
        self._unusual, self._tail = True, b""
        super().feed(data)

    def _pass_on(self, events: bytes) -> None:
        """Whole events, of a line each: what is calm as it came, what is not one by one."""
        at, length, mark = 0, len(events), -1
        while at < length and not self._seen.ended and not self._unusual:
            if mark < at:
                mark = self._first_mark(events, at)
            calm = length if mark == length else _end_before(events, at, mark)
            if self.spoke and calm > at:
                self.pieces.append(Verbatim(events[at:calm], self._id, self._model))
                at = calm
                continue
            end = events.index(b"\n\n", at) + 2
            self._look_into(events[at:end], calm=end <= calm)
            at = end
        if self._unusual:
            self._take_apart(events[at:] + self._tail)

    def _first_mark(self, events: bytes, start: int) -> int:
        """Where a chunk begins to be more than one that carries on; the end if none does."""
        first = len(events)
        for mark in self._marks:
            at = events.find(mark, start, first)
            if at >= 0:
                first = at
        return first

    def _look_into(self, event: bytes, calm: bool) -> None:
        data = event[6:-2]
        if data == END:
            deltas = self._end()
        else:
            chunk = loaded(data)
            if not self._id and chunk.get("choices"):
                self._learn(chunk, data)
            deltas = self._seen.add(chunk)
        # The first ones: looked into, and passed on all the same.
        if calm and deltas and not self._unusual:
            self.spoke = any(map(speaks, deltas))
            self.pieces.append(Verbatim(event, self._id, self._model))
        else:
            self._take(deltas)

    def _learn(self, chunk: dict[str, Any], data: bytes) -> None:
        """How this provider names itself, and writes JSON."""
        self._id, self._model = (_as_written(chunk, key, data) for key in ("id", "model"))
        if b'"choices":[' in data:
            self._marks = _COMPACT
        elif b'"choices": [' in data:
            self._marks = _SPACED
        else:  # of another style, whose marks would not be found
            self._unusual = True
        if _NEVER in (self._id, self._model):  # it has no name that could be replaced
            self._unusual = True


def _one_line_each(events: bytes) -> bool:
    """Whether these are whole events of a line of data each, and nothing else. One whose JSON was
    cut short does not end in a brace."""
    count = events.count(b"\n\n")
    return (
        events.startswith(b"data: ")
        and events.count(b"\n") == 2 * count
        and events.count(b"\n\ndata: ") == count - 1
        and events.count(b"}\n\n") + events.endswith(_LAST) == count
        and _is_text(events)
    )


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Garbled("it is not UTF-8") from None
    return True


def _end_before(events: bytes, start: int, mark: int) -> int:
    """Where the last event ends before the mark."""
    found = events.rfind(b"\n\n", start, mark)
    return start if found < 0 else found + 2


def _as_written(chunk: dict[str, Any], key: str, event: bytes) -> bytes:
    """A field as it stands in the chunk, to be replaced in those that follow. An empty one may
    stand elsewhere, too: calls of tools have an `id` of their own."""
    if not chunk.get(key):
        return _NEVER
    for colon in (b":", b": "):
        written = orjson.dumps(key) + colon + orjson.dumps(chunk.get(key))
        if written in event:
            return written
    return _NEVER
