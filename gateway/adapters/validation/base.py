"""The base model that adapters are put beside: its name, and its sizes by its own `config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.adapters.validation.families import FAMILIES, Family

_LONGEST = 8 * 2**20
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")


class BadBase(Exception):
    """A base model's config.json cannot be used; the message says why. It is the operator's."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the shapes of a model's modules are made of, by the names that families.py uses."""

    architecture: str  # its model_type
    family: Family | None  # whose modules it has; None for one that is not known here
    layers: int | None
    of: Mapping[str, int | None]  # None is one that its config.json does not say

    def shape(self, module: str) -> tuple[int | None, int | None] | None:
        """What goes into a module and what comes out; None for a module that is not known."""
        named = (self.family or FAMILIES["llama"]).sizes(module)
        return named and (self.of.get(named[0]), self.of.get(named[1]))


@dataclass(frozen=True, slots=True)
class Base:
    """One base model."""

    name: str
    sizes: Sizes | None = None  # None where its config.json is not at hand

    @classmethod
    def read(cls, name: str, path: Path) -> Base:
        """By a config.json, or the folder that it lies in. Raises BadBase."""
        file = path / "config.json" if path.is_dir() else path
        try:
            with file.open("rb") as opened:
                text = opened.read(_LONGEST + 1)
            written = json.loads(text)
        except OSError as error:
            raise BadBase(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise BadBase(f"{file} is no JSON: {str(error)[:100]}") from error
        if not isinstance(written, dict):
            raise BadBase(f"{file} is no JSON object")
        return cls(name, sizes(written))


def sizes(config: Mapping[str, Any]) -> Sizes:
    """What a config.json says; of a model that sees or hears, the part that writes."""
    inner = config.get("text_config")
    text: Mapping[str, Any] = inner if isinstance(inner, dict) else config
    architecture = str(text.get("model_type") or config.get("model_type") or "unknown")
    family = FAMILIES.get(architecture)

    def size(*names: str) -> int | None:
        values = (text.get(name) for name in names)
        return next((v for v in values if type(v) is int and v > 0), None)

    hidden = size("hidden_size", "n_embd", "d_model")
    heads = size("num_attention_heads", "n_head")
    # Who does not write the number of key heads has as many as of the others.
    shared = size("num_key_value_heads") or heads
    width = size("head_dim") or (family.head_dim if family else None)
    if width is None and hidden and heads:
        width = hidden // heads
    queries = heads * width if heads and width else None
    keys = shared * width if shared and width else None
    inner_size = size("intermediate_size", "n_inner", "ffn_dim")
    if inner_size is None and architecture == "gpt2" and hidden:
        inner_size = 4 * hidden
    return Sizes(
        architecture,
        family,
        size(*_LAYERS),
        {
            "hidden": hidden,
            "queries": queries,
            "keys": keys,
            "tripled": 3 * hidden if hidden else None,
            "fused": queries + 2 * keys if queries and keys else None,
            "inner": inner_size,
            "gated": 2 * inner_size if inner_size else None,
            "vocabulary": size("vocab_size"),
            "experts": size("num_experts", "num_local_experts"),
            "expert": size("moe_intermediate_size") or inner_size,
            "shared": size("shared_expert_intermediate_size"),
            "one": 1,
            "embedded": size("word_embed_proj_dim") or hidden,
        },
    )
