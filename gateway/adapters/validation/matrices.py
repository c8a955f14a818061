"""What an adapter's tensors are by their names: pairs of matrices, each beside one module.

A pair is A, from what goes into the module to the rank, and B, from the rank to what comes out.
Whether module and shapes are those of a base model is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.validation.header import Tensor
from gateway.adapters.validation.unsupported import HEADS

_PREFIX = "base_model.model."  # of every name that PEFT writes
_PARTS = {"A.weight": "A", "B.weight": "B", "embedding_A": "A", "embedding_B": "B"}
_MODULE = re.compile(r"[A-Za-z0-9_\-]+")
_HEAD = re.compile(rf"(?:[A-Za-z0-9_\-]+\.)*(?P<module>{'|'.join(HEADS)})\.(?P<part>weight|bias)")
_UNUSED = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")
_KNOWN = (  # what a name that is neither looks like, and what is to be said of it
    (re.compile(r"lora_magnitude_vector"), "incompatible", "DoRA is not served"),
    (re.compile(r"lora_[AB]\.bias$"), "incompatible", "a bias beside LoRA's matrices is no use"),
    (re.compile(r"trainable_tokens"), "incompatible", "trained tokens are not served"),
    (
        re.compile(r"lora_(?:[AB]\.[^.]+\.weight|embedding_[AB]\.[^.]+)$"),
        "invalid",
        "it bears an adapter's name, as in a model that runs: save it with save_pretrained()",
    ),
)
_FLOATS = {
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3",
    "F8_E5M2": "float8_e5m2",
}


@dataclass(slots=True)
class Pair:
    """A module's two matrices; None is one that is not there."""

    a: Tensor | None = None
    b: Tensor | None = None


@dataclass(slots=True)
class Weights:
    """What all tensors of an adapter are."""

    pairs: dict[str, Pair] = field(default_factory=dict)  # by the module's path
    heads: list[Tensor] = field(default_factory=list)  # full weights of a classification head
    unused: list[Tensor] = field(default_factory=list)  # whole embeddings; engines pass over them
    types: dict[str, int] = field(default_factory=dict)  # the numbers' type → bytes

    @property
    def targets(self) -> list[str]:
        """The modules' own names."""
        return sorted({module.rpartition(".")[2] for module in self.pairs})


def weights(tensors: Iterable[Tensor]) -> Weights:
    """Put each tensor where it belongs. Raises BadAdapter for one that belongs nowhere."""
    found = Weights()
    for tensor in tensors:
        path, _, part = tensor.name.rpartition(".lora_")
        if path and part in _PARTS:
            module = path.removeprefix(_PREFIX)
            _put(found.pairs.setdefault(module, Pair()), _PARTS[part], tensor)
        elif _HEAD.fullmatch(tensor.name):
            found.heads.append(tensor)
        elif tensor.name.endswith(_UNUSED):
            found.unused.append(tensor)
            continue
        else:
            raise _stranger(tensor.name)
        if tensor.dtype not in _FLOATS:
            raise BadAdapter("invalid", f"{shown(tensor.name)} is {tensor.dtype}, no real numbers")
        kind = _FLOATS[tensor.dtype]
        found.types[kind] = found.types.get(kind, 0) + tensor.end - tensor.start
    if not found.pairs:
        raise BadAdapter("invalid", "its weights hold no LoRA matrices")
    for name in found.targets:
        if not _MODULE.fullmatch(name):
            raise BadAdapter("invalid", f"{shown(name)} is no name of a module")
    return found


def _put(pair: Pair, side: str, tensor: Tensor) -> None:
    if (pair.a if side == "A" else pair.b) is not None:
        raise BadAdapter("invalid", f"{shown(tensor.name)} comes under two names")
    if side == "A":
        pair.a = tensor
    else:
        pair.b = tensor


def _stranger(name: str) -> BadAdapter:
    for look, kind, what in _KNOWN:
        if look.search(name):
            # mypy does not see the literals through the table.
            return BadAdapter("invalid" if kind == "invalid" else "incompatible", _of(name, what))
    return BadAdapter("incompatible", _of(name, "it is no part of a LoRA, and nothing reads it"))


def _of(name: str, what: str) -> str:
    return f"the tensor {shown(name)}: {what}"
