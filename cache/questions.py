"""The questions of one scope as rows of arrays, and which of them are nearest to another.

A row has the vector, a byte a dimension and its step, and the signs of some dimensions as bits.
Vectors that point alike have like signs, so bits that differ are counted over all rows, and cosines
are taken of the few rows with the fewest. Knows keys and times, no answers.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vector

_BITS = 256  # of the first dimensions
_COMPARED = 256
"""Rows of which cosines are taken. Of 2,596 real questions (QQP, CLINC) with one at a cosine of 0.7
or more among 100,000, these rows hold the nearest of all but one."""
_BLOCK = 16_384  # rows whose bits stay in a processor's cache while they are counted
_TURN = 8  # blocks that are counted before others have their turn on the event loop
_SURE = 3.5  # standard deviations by which signs may mislead
_BESIDE = 150  # bytes of a row beside vector and signs: its key, its place, its time
_ALIKE = 0.98  # cosine above which a few bits decide nothing

Rows: TypeAlias = NDArray[np.intp]
Bits: TypeAlias = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Near:
    """A question that is near."""

    key: str
    cosine: float


class Questions:
    """Rows in blocks, without a gap: the last one takes the place of one that goes."""

    def __init__(self, size: int) -> None:
        self.size = size  # dimensions
        self._rows: OrderedDict[str, int] = OrderedDict()  # oldest first
        self._keys: list[str] = []
        self._blocks: list[_Block] = []

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def oldest(self) -> str:
        return next(iter(self._rows))

    def add(self, key: str, vector: Vector, made_at: float) -> None:
        """As the latest one; the vector is L2-normalised. One of another size is another encoder's,
        and is not compared."""
        if vector.size != self.size:
            return
        row = self._rows.setdefault(key, len(self._keys))
        self._rows.move_to_end(key)
        if row == len(self._keys):
            self._keys.append(key)
        if row == len(self._blocks) * _BLOCK:
            self._blocks.append(_Block(self.size))
        self._blocks[row // _BLOCK].put(row % _BLOCK, vector, made_at)

    def remove(self, key: str) -> None:
        if (row := self._rows.pop(key, None)) is None:
            return
        moved, last = self._keys.pop(), self._blocks[-1]
        if moved != key:
            self._keys[row], self._rows[moved] = moved, row
            self._blocks[row // _BLOCK].take_over(row % _BLOCK, last)
        last.count -= 1
        if not last.count:
            self._blocks.pop()

    async def nearest(self, vector: Vector, floor: float, after: float) -> list[Near]:
        """Those made later than `after`, down to a cosine of `floor`, the nearest first.

        Where others have their turn meanwhile, a row that moves may be missed."""
        if vector.size != self.size:
            return []
        rows = await self._likely(vector, floor, after)
        cosines = self._cosines(rows, vector)
        order = np.argsort(-cosines, kind="stable")[: np.count_nonzero(cosines >= floor)]
        return [Near(self._keys[rows[at]], float(cosines[at])) for at in order.tolist()]

    async def _likely(self, vector: Vector, floor: float, after: float) -> Rows:
        """The rows whose signs say that they may be near, in ascending order."""
        bits = _bits(vector)
        # Of a few rows all cosines are taken, so any number of bits may differ.
        most = _most_that_differ(floor) if len(self) > _COMPARED else _BITS
        rows, counts = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.uint16)]
        for number, block in enumerate(self._blocks):
            if number and number % _TURN == 0:
                await asyncio.sleep(0)
            differing = block.differing(bits)
            few = np.flatnonzero(differing <= most)
            few = few[block.made_at[few] > after]
            rows.append(few + number * _BLOCK)
            counts.append(differing[few])
        found = np.concatenate(rows)
        if len(found) > _COMPARED:
            found = np.sort(found[np.argpartition(np.concatenate(counts), _COMPARED)[:_COMPARED]])
        return found[found < len(self)]

    def _cosines(self, rows: Rows, vector: Vector) -> Vector:
        """Of rows in ascending order."""
        cuts = np.searchsorted(rows, [n * _BLOCK for n in range(len(self._blocks) + 1)]).tolist()
        found = [np.empty(0, dtype=np.float32)]
        for block, begin, end in zip(self._blocks, cuts, cuts[1:], strict=False):
            if begin < end:
                found.append(block.cosines(rows[begin:end] % _BLOCK, vector))
        return np.concatenate(found)


class _Block:
    """Rows in arrays that double as it fills, so that a scope of one question is small."""

    __slots__ = ("codes", "count", "made_at", "signs", "steps")

    def __init__(self, size: int) -> None:
        self.count = 0
        self.signs = np.zeros((_BITS // 64, 1), dtype=np.uint64)  # a word of all rows together
        self.codes = np.zeros((1, size), dtype=np.int8)
        self.steps = np.zeros(1, dtype=np.float32)
        self.made_at = np.zeros(1)

    def put(self, row: int, vector: Vector, made_at: float) -> None:
        """At the end, or in another's place."""
        if row == len(self.codes):
            self._double()
        step = float(np.abs(vector).max()) / 127 or 1.0
        self.signs[:, row] = _bits(vector)
        self.codes[row] = np.rint(vector / step)
        self.steps[row] = step
        self.made_at[row] = made_at
        self.count = max(self.count, row + 1)

    def take_over(self, row: int, other: _Block) -> None:
        """The last row of another block, or of this one."""
        last = other.count - 1
        self.signs[:, row] = other.signs[:, last]
        self.codes[row] = other.codes[last]
        self.steps[row] = other.steps[last]
        self.made_at[row] = other.made_at[last]

    def differing(self, bits: Bits) -> NDArray[np.uint16]:
        """How many bits of each row differ from these."""
        differ = np.bitwise_count(self.signs[:, : self.count] ^ bits[:, np.newaxis])
        counts: NDArray[np.uint16] = np.add.reduce(differ, axis=0, dtype=np.uint16)
        return counts

    def cosines(self, rows: Rows, vector: Vector) -> Vector:
        cosines: Vector = (self.codes[rows].astype(np.float32) @ vector) * self.steps[rows]
        return cosines

    def _double(self) -> None:
        self.signs = np.concatenate((self.signs, np.zeros_like(self.signs)), axis=1)
        for name in ("codes", "steps", "made_at"):
            rows = getattr(self, name)
            setattr(self, name, np.concatenate((rows, np.zeros_like(rows))))


def bytes_of(size: int) -> int:
    """What a question takes with its key."""
    return size + _BITS // 8 + _BESIDE


def _bits(vector: Vector) -> Bits:
    packed = np.packbits(vector[:_BITS] > 0).tobytes()
    return np.frombuffer(packed.ljust(_BITS // 8, b"\0"), dtype=np.uint64)


def _most_that_differ(cosine: float) -> int:
    """Of the signs of two vectors with this cosine a share of angle / pi differs, give or take."""
    share = math.acos(max(-1.0, min(cosine, _ALIKE))) / math.pi
    return round(_BITS * share + _SURE * math.sqrt(_BITS * share * (1 - share)))
