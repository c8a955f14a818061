"""Shapes by architecture, as PEFT saves adapters of models of that configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.failures import BadAdapter
from gateway.adapters.validation.base import BadBase, Base, sizes
from gateway.adapters.validation.check import checked
from tests.gateway.adapters.made import LLAMA, adapter, pair

GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 512}
CASES: list[tuple[dict[str, Any], str, tuple[int, int]]] = [
    *(
        (LLAMA | {"model_type": name}, "model.layers.1.self_attn.v_proj", (64, 32))
        for name in ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi", "mixtral")
    ),
    (LLAMA | {"head_dim": None}, "model.layers.0.self_attn.q_proj", (64, 64)),
    (
        LLAMA | {"model_type": "qwen3", "head_dim": None},
        "model.layers.0.self_attn.k_proj",
        (64, 256),
    ),
    (
        LLAMA | {"model_type": "gemma", "head_dim": None},
        "model.layers.0.self_attn.o_proj",
        (1024, 64),
    ),
    (LLAMA | {"num_key_value_heads": None}, "model.layers.0.self_attn.k_proj", (64, 64)),
    (LLAMA | {"model_type": "phi"}, "model.layers.0.self_attn.dense", (64, 64)),
    (LLAMA | {"model_type": "phi"}, "model.layers.0.mlp.fc2", (160, 64)),
    (LLAMA | {"model_type": "phi3"}, "model.layers.0.self_attn.qkv_proj", (64, 128)),
    (LLAMA | {"model_type": "phi3"}, "model.layers.0.mlp.gate_up_proj", (64, 320)),
    (LLAMA | {"model_type": "gpt_neox"}, "gpt_neox.layers.0.attention.query_key_value", (64, 192)),
    (LLAMA | {"model_type": "opt"}, "model.decoder.layers.1.self_attn.k_proj", (64, 64)),
    (LLAMA | {"model_type": "starcoder2"}, "model.layers.1.mlp.c_fc", (64, 160)),
    (GPT2, "transformer.h.1.attn.c_attn", (64, 192)),
    (GPT2, "transformer.h.1.attn.c_proj", (64, 64)),
    (GPT2, "transformer.h.1.mlp.c_proj", (256, 64)),
    (GPT2 | {"n_inner": 99}, "transformer.h.1.mlp.c_fc", (64, 99)),
    (
        LLAMA | {"model_type": "mixtral"},
        "model.layers.0.block_sparse_moe.experts.3.w2",
        (160, 64),
    ),
    (
        {"model_type": "gemma3", "text_config": LLAMA | {"model_type": "gemma3_text"}},
        "model.language_model.layers.1.mlp.down_proj",
        (160, 64),
    ),
]


@pytest.mark.parametrize(("config", "module", "shape"), CASES)
def test_shapes_are_by_architecture(
    tmp_path: Path, config: dict[str, Any], module: str, shape: tuple[int, int]
) -> None:
    base = Base("acme/llama-tiny", sizes(config))
    good = adapter(tmp_path / "a", pair(module, 8, *shape), target_modules=None)
    assert checked(good, base).warnings == ()
    for wrong in ((shape[0] + 1, shape[1]), (shape[0], shape[1] + 1)):
        with pytest.raises(BadAdapter, match="in the base model it takes"):
            checked(adapter(tmp_path / "b", pair(module, 8, *wrong)), base)


def test_what_the_configuration_leaves_out_is_not_guessed(tmp_path: Path) -> None:
    config = {"model_type": "gemma3_text", "hidden_size": 64, "num_hidden_layers": 2}
    folder = adapter(tmp_path / "a", pair("model.layers.0.self_attn.q_proj", 8, 64, 999))
    (warning, _) = checked(folder, Base("acme/llama-tiny", sizes(config))).warnings
    assert warning.startswith("target_modules names")


def test_a_base_model_is_read_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert Base.read("a", tmp_path) == Base.read("a", tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(BadBase, match="is no JSON object"):
        Base.read("a", tmp_path)
    with pytest.raises(BadBase, match="cannot be read"):
        Base.read("a", tmp_path / "none.json")
