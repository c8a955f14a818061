"""Who gets which variant: a stable hash of the caller, so that nobody changes sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Drawn:
    """One caller's place in an experiment."""

    experiment: str
    variant: str
    unit: str  # tells callers apart, and says nothing of who they are

    @property
    def label(self) -> str:
        return f"{self.experiment}/{self.variant}"


def drawn(experiment: str, who: str, shares: Mapping[str, float]) -> Drawn | None:
    """None for a caller who takes no part, as the shares leave him out."""
    place = int.from_bytes(_hash(8, "place", experiment, who)) / 2**64
    for variant, share in shares.items():
        if place < share:
            return Drawn(experiment, variant, _hash(6, "unit", experiment, who).hex())
        place -= share
    return None


def _hash(size: int, *parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=size).digest()
