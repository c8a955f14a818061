"""Adapters written by hand, whole or damaged, without the libraries that write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from gateway.adapters.validation.base import Base, sizes

WIDTHS = {"F32": 4, "BF16": 2, "F16": 2, "I8": 1}
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 512,
}
NAME = "acme/llama-tiny"
Shapes = Mapping[str, tuple[int, ...]]


def base(name: str = NAME, **changed: Any) -> Base:
    return Base(name, sizes(LLAMA | changed))


def pair(module: str, rank: int, taken: int, given: int) -> dict[str, tuple[int, ...]]:
    key = f"base_model.model.{module}"
    return {f"{key}.lora_A.weight": (rank, taken), f"{key}.lora_B.weight": (given, rank)}


def llama(rank: int = 8, layers: int = 2) -> dict[str, tuple[int, ...]]:
    """All seven linear modules of each layer."""
    inner, hidden, keys = 160, 64, 32
    modules = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (hidden, keys),
        "self_attn.v_proj": (hidden, keys),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner),
        "mlp.down_proj": (inner, hidden),
    }
    found: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        for module, (taken, given) in modules.items():
            found |= pair(f"model.layers.{layer}.{module}", rank, taken, given)
    return found


def config(**changed: Any) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": NAME,
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj"],
        "bias": "none",
        "key_of_a_later_release": {"a": 1},
        **changed,
    }


def described(shapes: Shapes, dtype: str = "BF16") -> dict[str, Any]:
    """A header's table, its numbers one after the other."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, shape in shapes.items():
        end = place + prod(shape) * WIDTHS[dtype]
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, end]}
        place = end
    return table


def packed(table: object, numbers: bytes | None = None) -> bytes:
    """A safetensors file of this header; its numbers are zeros where none are given."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    if numbers is None:
        assert isinstance(table, dict)
        ends = [said["data_offsets"][1] for name, said in table.items() if name[0] != "_"]
        numbers = bytes(max(ends, default=0))
    return len(text).to_bytes(8, "little") + text + numbers


def adapter(
    folder: Path,
    shapes: Shapes | None = None,
    *,
    dtype: str = "BF16",
    weights: bytes | None = None,
    **changed: Any,
) -> Path:
    """A folder with an adapter of the tiny model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config(**changed)))
    if weights is None:
        weights = packed(described(llama() if shapes is None else shapes, dtype))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder
