"""Which of this machine's devices a model runs on. Needs torch (extra `transformers`)."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import torch  # type: ignore[import-not-found,unused-ignore]

from gateway.providers.config import OnDevice, Precision


class NoSuchDevice(Exception):
    """The device that is asked for is not there; the message says what is."""


@dataclass(frozen=True, slots=True)
class Device:
    """One that torch can compute on."""

    kind: str  # as torch calls it
    name: str  # as people do
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.kind} ({self.name}), {str(self.dtype).removeprefix('torch.')}"


def chosen(wanted: OnDevice, precision: Precision) -> Device:
    """The one that is asked for, or else the fastest. Raises NoSuchDevice."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    kind = next(each for each, found in there.items() if found) if wanted == "auto" else wanted
    if not there[kind]:
        known = ", ".join(each for each, found in there.items() if found)
        raise NoSuchDevice(f"torch {torch.__version__} finds no {kind} here, but {known}")
    dtype = _usual(kind) if precision == "auto" else getattr(torch, precision)
    return Device(kind, _named(kind), dtype)


def _usual(kind: str) -> torch.dtype:
    """What the device computes fast and holds well: half precision is slow on most processors."""
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float16 if kind == "mps" else torch.float32


def _named(kind: str) -> str:
    if kind == "cuda":
        return str(torch.cuda.get_device_name())
    return f"{torch.get_num_threads()} threads" if kind == "cpu" else platform.machine()
