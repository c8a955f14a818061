"""A linear score plus one hidden layer of tanh units, read from a file: arithmetic, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Network:
    """`bias + linear·x + out·tanh(hidden·x + shift)`, x standardised by `mean` and `scale`."""

    inputs: tuple[str, ...]
    mean: Array
    scale: Array
    linear: Array
    bias: float
    hidden: Array  # (inputs, units); zero units make it linear
    shift: Array
    out: Array

    def __call__(self, rows: Array) -> Array:
        """A score for each row of inputs."""
        x = ((rows - self.mean) / self.scale).astype(np.float32)
        score: Array = (
            x @ self.linear + self.bias + np.tanh(x @ self.hidden + self.shift) @ self.out
        )
        return score

    @classmethod
    def read(cls, stored: Mapping[str, Any], inputs: Sequence[str]) -> Self:
        """From its file; it must have been fitted to these inputs in this order."""
        if tuple(stored["inputs"]) != tuple(inputs):
            raise ValueError("The weights were fitted to other inputs; fit them again.")
        arrays = {
            name: np.asarray(stored[name], dtype=np.float32)
            for name in ("mean", "scale", "linear", "hidden", "shift", "out")
        }
        arrays["hidden"] = arrays["hidden"].reshape(len(inputs), -1)
        return cls(inputs=tuple(inputs), bias=float(stored["bias"]), **arrays)

    def stored(self) -> dict[str, Any]:
        """As it is written to its file, to four digits."""
        arrays = {
            name: [[_short(v) for v in row] for row in getattr(self, name)]
            if name == "hidden"
            else [_short(v) for v in getattr(self, name)]
            for name in ("mean", "scale", "linear", "hidden", "shift", "out")
        }
        return {"inputs": list(self.inputs), "bias": _short(self.bias), **arrays}


def _short(value: float) -> float:
    return float(f"{value:.4g}")
