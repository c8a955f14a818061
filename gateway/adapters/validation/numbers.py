"""Whether any of an adapter's numbers is no number or infinite: one makes all answers nonsense."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.validation.header import Tensor

_AT_ONCE = 8 * 2**20  # bytes, and a multiple of every number's
_EXPONENTS = {  # all of whose bits are set where a number is infinite or none
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F32": ("<u4", 0x7F80_0000),
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F8_E5M2": ("u1", 0x7C),
}


def refuse_infinite(file: int, tensors: Iterable[Tensor]) -> None:
    """Read all numbers of the tensors of an open file. Raises BadAdapter."""
    for tensor in tensors:
        if tensor.dtype not in _EXPONENTS:
            continue
        kind, bits = _EXPONENTS[tensor.dtype]
        for place in range(tensor.start, tensor.end, _AT_ONCE):
            numbers = np.frombuffer(_bytes(file, place, min(place + _AT_ONCE, tensor.end)), kind)
            if np.any((numbers & bits) == bits):
                raise BadAdapter(
                    "corrupt", f"{shown(tensor.name)} holds numbers that are infinite or none"
                )


def _bytes(file: int, start: int, end: int) -> bytes:
    found = bytearray()
    while len(found) < end - start:
        piece = os.pread(file, end - start - len(found), start + len(found))
        if not piece:
            raise BadAdapter("corrupt", "its weights became shorter while they were read")
        found += piece
    return bytes(found)
