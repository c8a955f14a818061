"""The header of a safetensors file: which tensors it holds, of what type and shape, and where.

Eight bytes say how long the header is, which is JSON; numbers fill the rest of the file without a
gap. Not one of them is read here. What tensors are for is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from typing import Any, BinaryIO, NamedTuple

from gateway.adapters.content import mistaken
from gateway.adapters.failures import BadAdapter, shown

LONGEST = 32 * 2**20
"""Bytes of a header. A mixture of 256 experts in 60 layers, each with an adapter, takes 15 MB."""
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_MOST_DIMENSIONS = 8
_LARGEST = 2**48  # of a dimension, and far beyond any file


class Tensor(NamedTuple):  # a dataclass that is frozen takes three times as long to make
    """One of a file's tensors."""

    name: str
    dtype: str  # as the format calls it: BF16, F32 …
    shape: tuple[int, ...]
    start: int  # of its numbers, in bytes from the beginning of the file
    end: int


def tensors(file: BinaryIO, size: int) -> list[Tensor]:
    """What a file of this size holds, in the order of its numbers. Raises BadAdapter."""
    begun = file.read(64)
    length = int.from_bytes(begun[:8], "little")
    if begun[8:9] != b"{":
        raise _corrupt(_other(begun, size))
    if length > LONGEST:
        raise _corrupt(f"a header of {length:,} bytes is too large, the limit is {LONGEST:,}")
    if 8 + length > size:
        raise _corrupt(f"it breaks off in its header: {size:,} bytes of {8 + length:,}")
    text = (begun[8:] + file.read(max(0, length - len(begun) + 8)))[:length]
    if len(text) < length:
        raise _corrupt("it breaks off in its header")
    found = _parsed(text)
    _described(found.pop("__metadata__", {}))
    return list(_gapless(sorted(_each(found, 8 + length), key=_place), 8 + length, size))


def _other(begun: bytes, size: int) -> str:
    if size == 0:
        return "it is empty"
    if what := mistaken(begun):
        return f"it is {what}"
    return "it is no safetensors file" if size >= 9 else "it breaks off in its header"


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), object_pairs_hook=_distinct, parse_constant=_no_number)
    except RecursionError as error:
        raise _corrupt("its header is no JSON: it is nested too deeply") from error
    except ValueError as error:
        raise _corrupt(f"its header is no JSON: {_brief(error)}") from error
    if not isinstance(found, dict):
        raise _corrupt("its header is no JSON object")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each of whose keys comes once: of two, one reader takes this and another that."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise BadAdapter("corrupt", f"adapter_model.safetensors: {shown(twice)} comes twice")
    return found


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _brief(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at {error.pos}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:100]


def _described(metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _corrupt("its __metadata__ is no table of texts")


def _each(found: dict[str, Any], first: int) -> Iterator[Tensor]:
    # Thousands of times an adapter: what is usual is told with few calls.
    for name, said in found.items():
        try:
            dtype, shape, (start, end) = said["dtype"], said["shape"], said["data_offsets"]
            bits = _BITS[dtype]
            usual = type(shape) is list and len(shape) <= _MOST_DIMENSIONS
        except (KeyError, TypeError, ValueError):
            usual = False
        if not usual or not _sizes((start, end, *shape)):
            raise _corrupt(
                f"{shown(name)} is not described by a known dtype, a shape and data_offsets"
            )
        if (end - start) * 8 != prod(shape) * bits:
            raise _corrupt(
                f"{shown(name)} takes {end - start:,} bytes, which is not what {dtype} of shape "
                f"{shape} takes"
            )
        yield Tensor(name, dtype, tuple(shape), first + start, first + end)


def _sizes(values: tuple[Any, ...]) -> bool:
    # Not isinstance: True is an int.
    return all(type(value) is int and 0 <= value < _LARGEST for value in values)


def _place(tensor: Tensor) -> tuple[int, int]:
    return tensor.start, tensor.end


def _gapless(found: list[Tensor], first: int, size: int) -> Iterator[Tensor]:
    """The same, if each begins where the one before ends, and the last one with the file."""
    reached = first
    for tensor in found:
        if tensor.start != reached:
            what = "overlaps another tensor" if tensor.start < reached else "follows after a gap"
            raise _corrupt(f"{shown(tensor.name)} {what}")
        reached = tensor.end
        yield tensor
    if reached > size:
        raise _corrupt(f"it breaks off: {size:,} bytes of {reached:,}")
    if reached < size:
        raise _corrupt(f"{size - reached:,} bytes at its end belong to no tensor")


def _corrupt(reason: str) -> BadAdapter:
    return BadAdapter("corrupt", f"adapter_model.safetensors: {reason}")
