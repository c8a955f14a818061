"""What this process has at hand of questions that are kept elsewhere, so that they can be compared.

A mirror learns what was added to its scope, page by page, and never what went: whoever finds a
question here asks for its entry, and says when there is none any more.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cache.questions import Questions, bytes_of
from retrieval.types import Vector

_SCOPE = 1_300  # bytes of a mirror beside its questions
_DEAD = 1_000  # questions that may be gone beyond as many as there are, before all are read anew
_TIMES = struct.Struct("<ddf")  # its end, when it was made, the step of its vector


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of what was added to a scope, in order."""

    epoch: bytes  # of the numbers; another one has other questions
    after: int  # the page begins behind this number, and says all up to `upto`
    upto: int
    last: int
    living: int  # questions that the scope has
    added: Sequence[tuple[str, bytes]]  # exact keys with their records


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mirror knew when it asked."""

    epoch: bytes = b""
    after: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    vector: Vector
    made_at: float


@dataclass(slots=True)
class Mirror:
    """The questions of a scope, as far as they were told."""

    questions: Questions
    epoch: bytes = b""
    seq: int = 0
    last: int = 0
    following: bool = False  # somebody asks for one page after another

    @property
    def behind(self) -> bool:
        return self.seq < self.last


class Mirrors:
    """By scope; those that were asked for longest ago make room."""

    def __init__(self, max_questions: int, max_bytes: int) -> None:
        self._max_questions = max_questions
        self._max_bytes = max_bytes
        self._mirrors: OrderedDict[str, Mirror] = OrderedDict()
        self._bytes = 0

    def of(self, similar: str) -> Mirror | None:
        return self._mirrors.get(similar)

    def drop(self, similar: str) -> None:
        if mirror := self._mirrors.pop(similar, None):
            self._bytes -= _size(mirror)

    def told(self, similar: str, size: int, asked: Asked, changes: Changes) -> Mirror:
        """The mirror with these changes. Answers may come in another order than they were asked
        for: one that says nothing new, or leaves a gap, is passed over."""
        mirror = self._mirrors.get(similar)
        if mirror is None or _is_other(mirror, asked, changes):
            self.drop(similar)
            mirror = self._mirrors[similar] = Mirror(Questions(size), changes.epoch)
            self._bytes += _SCOPE
        self._mirrors.move_to_end(similar)
        if changes.epoch != mirror.epoch:
            return mirror
        mirror.last = max(mirror.last, changes.last)
        if changes.after <= mirror.seq < changes.upto:
            for key, record in changes.added:
                self._add(mirror, key, record)
            mirror.seq = changes.upto
        while self._bytes > self._max_bytes and len(self._mirrors) > 1:
            self.drop(next(iter(self._mirrors)))
        return mirror

    def gone(self, similar: str, key: str) -> None:
        """The question has no entry any more."""
        if mirror := self._mirrors.get(similar):
            self._remove(mirror, key)

    def clear(self) -> None:
        self._mirrors.clear()
        self._bytes = 0

    def _add(self, mirror: Mirror, key: str, record: bytes) -> None:
        questions, row = mirror.questions, bytes_of(mirror.questions.size)
        self._remove(mirror, key)
        if not (read := _read(record, questions.size)):
            return
        questions.add(key, read.vector, read.made_at)
        self._bytes += row
        if len(questions) > min(self._max_questions, max(1, self._max_bytes // row)):
            self._remove(mirror, questions.oldest)

    def _remove(self, mirror: Mirror, key: str) -> None:
        before = _size(mirror)
        mirror.questions.remove(key)
        self._bytes += _size(mirror) - before


def _is_other(mirror: Mirror, asked: Asked, changes: Changes) -> bool:
    """Whether this mirror is of another scope than there is, or holds mostly what is gone."""
    if mirror.epoch != changes.epoch:
        return changes.after == 0
    went_back = asked.epoch == changes.epoch and asked.after > changes.last
    return went_back or len(mirror.questions) > 2 * changes.living + _DEAD


def _size(mirror: Mirror) -> int:
    return _SCOPE + len(mirror.questions) * bytes_of(mirror.questions.size)


def recorded(vector: Vector, made_at: float, end: float) -> bytes:
    """A question as it is kept: a byte a dimension."""
    step = float(np.abs(vector).max()) / 127 or 1.0
    codes: bytes = np.rint(vector / step).astype(np.int8).tobytes()
    return _TIMES.pack(end, made_at, step) + codes


def _read(record: bytes, size: int) -> _Question | None:
    """What `recorded` wrote; one of another size is another encoder's."""
    if len(record) != _TIMES.size + size:
        return None
    _, made_at, step = _TIMES.unpack_from(record)
    codes = np.frombuffer(record, dtype=np.int8, offset=_TIMES.size)
    return _Question(codes.astype(np.float32) * np.float32(step), made_at)
