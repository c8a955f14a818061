"""A LoRA adapter as vLLM reads it from a folder: what it refuses, and in which words.

Only what can be told without weights is looked at; which modules a base model has is not known.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin", "adapter_model.pt")
PLAIN_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
UNSUPPORTED = {
    "use_dora": "vLLM does not yet support DoRA.",
    "lora_bias": "vLLM does not support LoRA bias (lora_bias).",
    "alora_invocation_tokens": "vLLM does not support Activated LoRA (aLoRA).",
    "layer_replication": "vLLM does not support layer_replication.",
    "use_bdlora": "vLLM does not support block-diagonal LoRA (BD-LoRA).",
    "use_qalora": "vLLM does not support QALoRA.",
}


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter that was asked to be loaded. Its number is new with each load of a name."""

    number: int
    name: str
    path: str
    inplace: bool = False  # it is read again whenever it is touched, since vLLM never forgets this


class NoAdapter(Exception):
    """There are no files where it was said to be."""

    def __init__(self, lora: Lora) -> None:
        super().__init__(f"Loading lora {lora.name} failed: No adapter found for {lora.path}")


class NotServed(Exception):
    """There are, but the engine cannot serve them."""


def voice_of(lora: Lora, max_rank: int) -> str:
    """What tells its answers from others': the same content speaks alike under any name.

    Raises NoAdapter or NotServed.
    """
    folder = Path(lora.path)
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NoAdapter(lora) from None
    except ValueError as error:
        raise NotServed(str(error)) from None
    if missing := {"r", "lora_alpha", "target_modules"} - config.keys():
        raise NotServed(f"Missing required configuration fields: {missing}")
    if problems := list(_problems(config, max_rank)):
        raise NotServed(" ".join(problems))
    weights = next((file for name in WEIGHTS if (file := folder / name).is_file()), None)
    if weights is None:
        raise NotServed(f"{lora.path} doesn't contain tensors")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def _problems(config: dict[str, Any], max_rank: int) -> list[str]:
    found = []
    if extra := [
        name for name in config.get("modules_to_save") or () if name not in ("classifier", "score")
    ]:
        found.append(
            "vLLM only supports modules_to_save being either None or "
            '["classifier", "score"] for classification models. '
            f"Unsupported modules_to_save: {extra}"
        )
    found += [told for field, told in UNSUPPORTED.items() if config.get(field)]
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in PLAIN_INITS:
        found.append(f"vLLM does not support init_lora_weights={init!r}.")
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if rank > max_rank:
        found.append(f"LoRA rank {rank} is greater than max_lora_rank {max_rank}.")
    if config.get("bias", "none") != "none":
        found.append("Adapter bias is not supported.")
    return found
