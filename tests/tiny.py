"""A tiny random Qwen2 and LoRA adapters for it, as files that vLLM serves. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

Tensors: TypeAlias = Mapping[str, NDArray[np.float32]]

HIDDEN, HEADS, KV_HEADS, INNER, LAYERS = 128, 4, 2, 256, 2
START, END = "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_model(folder: Path) -> Path:
    """The base model: weights, configuration and a tokenizer of bytes."""
    folder.mkdir(parents=True)
    letters = _write_tokenizer(folder)
    size = len(letters)
    _write_json(
        folder / "config.json",
        {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "hidden_size": HIDDEN,
            "intermediate_size": INNER,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "vocab_size": size,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            "bos_token_id": None,
            "eos_token_id": size - 1,
        },
    )
    weights = _weights(size)
    for number, letter in enumerate(letters):  # it says what can be read, and never stops early
        if len(letter) > 1 or not "!" <= letter <= "~":
            weights["lm_head.weight"][number] = 0
    _write_tensors(folder / "model.safetensors", weights)
    return folder


def write_adapter(folder: Path, seed: int, rank: int = 8, **config: Any) -> Path:
    """A LoRA adapter in PEFT's layout, strong enough to change every answer.

    `config` adds to its configuration, or takes a field's place; None takes it out.
    """
    folder.mkdir(parents=True)
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "base",
        "r": rank,
        "lora_alpha": 4 * rank,
        "target_modules": ["q_proj", "v_proj"],
        "bias": "none",
        "inference_mode": True,
    } | config
    _write_json(
        folder / "adapter_config.json",
        {name: value for name, value in settings.items() if value is not None},
    )
    noise = np.random.default_rng(seed)
    tensors = {}
    for layer in range(LAYERS):
        for module, out in (("q_proj", HIDDEN), ("v_proj", HIDDEN // HEADS * KV_HEADS)):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            tensors[f"{name}.lora_A.weight"] = _random(noise, rank, HIDDEN)
            tensors[f"{name}.lora_B.weight"] = _random(noise, out, rank)
    _write_tensors(folder / "adapter_model.safetensors", tensors)
    return folder


def _write_tokenizer(folder: Path) -> list[str]:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([START, END])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": END,
            "chat_template": TEMPLATE,
            "model_max_length": 2048,
        },
    )
    return [*letters, START, END]


def _weights(size: int) -> dict[str, NDArray[np.float32]]:
    noise = np.random.default_rng(0)
    narrow = HIDDEN // HEADS * KV_HEADS
    tensors = {
        "model.embed_tokens.weight": _random(noise, size, HIDDEN),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
        "lm_head.weight": _random(noise, size, HIDDEN),
    }
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{name}.{norm}.weight"] = np.ones(HIDDEN, np.float32)
        for module, out in (("q_proj", HIDDEN), ("k_proj", narrow), ("v_proj", narrow)):
            tensors[f"{name}.self_attn.{module}.weight"] = _random(noise, out, HIDDEN)
            tensors[f"{name}.self_attn.{module}.bias"] = np.zeros(out, np.float32)
        tensors[f"{name}.self_attn.o_proj.weight"] = _random(noise, HIDDEN, HIDDEN)
        tensors[f"{name}.mlp.gate_proj.weight"] = _random(noise, INNER, HIDDEN)
        tensors[f"{name}.mlp.up_proj.weight"] = _random(noise, INNER, HIDDEN)
        tensors[f"{name}.mlp.down_proj.weight"] = _random(noise, HIDDEN, INNER)
    return tensors


def _random(noise: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return (noise.standard_normal(shape) * 0.2).astype(np.float32)


def _write_tensors(file: Path, tensors: Tensors) -> None:
    table, start = {}, 0
    for name, tensor in tensors.items():
        end = start + tensor.nbytes
        table[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]}
        start = end
    head = json.dumps({**table, "__metadata__": {"format": "pt"}}).encode()
    body = b"".join(tensor.tobytes() for tensor in tensors.values())
    file.write_bytes(len(head).to_bytes(8, "little") + head + body)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value))
