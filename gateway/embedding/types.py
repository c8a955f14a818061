"""What a client wants embedded, and what it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.types import Done

Input: TypeAlias = "str | Sequence[int]"
"""A text, or tokens of the model's own vocabulary."""

Vector: TypeAlias = "Sequence[float] | str"
"""Numbers, or the bytes of little-endian floats in base64."""


@dataclass(frozen=True, slots=True)
class EmbeddingAsk:
    """A validated request. `params` are the body's other fields, passed on as they are."""

    model: str
    inputs: tuple[Input, ...]
    dimensions: int | None = None
    base64: bool = False  # whether vectors are wanted so
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """The inputs that are texts: all or none."""
        return [each for each in self.inputs if isinstance(each, str)]


@dataclass(frozen=True, slots=True)
class EmbeddingAnswer:
    """What became of it: a vector for each input, and what that came to."""

    vectors: Sequence[Vector]
    done: Done
    headers: tuple[tuple[bytes, bytes], ...] = ()  # what else the response's head says
