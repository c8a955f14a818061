"""The modules of the architectures whose shapes are known: what goes in and what comes out.

Sizes are named here and numbered in base.py. A module is known by its last two names, without the
numbers of layers and experts, or by the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Shapes: TypeAlias = Mapping[str, tuple[str, str]]
_ATTENTION: Shapes = {
    "q_proj": ("hidden", "queries"),
    "k_proj": ("hidden", "keys"),
    "v_proj": ("hidden", "keys"),
}
_OUT: Shapes = {"o_proj": ("queries", "hidden")}
_GATED: Shapes = {
    "gate_proj": ("hidden", "inner"),
    "up_proj": ("hidden", "inner"),
    "down_proj": ("inner", "hidden"),
}
_EMBEDDINGS: Shapes = {
    "embed_tokens": ("vocabulary", "hidden"),
    "lm_head": ("hidden", "vocabulary"),
}
_LLAMA = {**_ATTENTION, **_OUT, **_GATED, **_EMBEDDINGS}
_EXPERTS: Shapes = {
    "experts.gate_proj": ("hidden", "expert"),
    "experts.up_proj": ("hidden", "expert"),
    "experts.down_proj": ("expert", "hidden"),
    "mlp.gate": ("hidden", "experts"),
    "shared_expert.gate_proj": ("hidden", "shared"),
    "shared_expert.up_proj": ("hidden", "shared"),
    "shared_expert.down_proj": ("shared", "hidden"),
    "mlp.shared_expert_gate": ("hidden", "one"),
}
_MIXTRAL: Shapes = {
    **_ATTENTION,
    **_OUT,
    **_EMBEDDINGS,
    **_EXPERTS,
    "experts.w1": ("hidden", "expert"),
    "experts.w2": ("expert", "hidden"),
    "experts.w3": ("hidden", "expert"),
    "block_sparse_moe.gate": ("hidden", "experts"),
}
_PHI: Shapes = {
    **_ATTENTION,
    **_EMBEDDINGS,
    "dense": ("queries", "hidden"),
    "fc1": ("hidden", "inner"),
    "fc2": ("inner", "hidden"),
}
_PHI3: Shapes = {
    **_OUT,
    **_EMBEDDINGS,
    "qkv_proj": ("hidden", "fused"),
    "gate_up_proj": ("hidden", "gated"),
    "down_proj": ("inner", "hidden"),
}
_STARCODER2: Shapes = {
    **_ATTENTION,
    **_OUT,
    **_EMBEDDINGS,
    "c_fc": ("hidden", "inner"),
    "c_proj": ("inner", "hidden"),
}
_GPT2: Shapes = {
    "attn.c_attn": ("hidden", "tripled"),
    "attn.c_proj": ("hidden", "hidden"),
    "mlp.c_fc": ("hidden", "inner"),
    "mlp.c_proj": ("inner", "hidden"),
    "wte": ("vocabulary", "hidden"),
    "lm_head": ("hidden", "vocabulary"),
}
_GPT_NEOX: Shapes = {
    "query_key_value": ("hidden", "tripled"),
    "dense": ("hidden", "hidden"),
    "dense_h_to_4h": ("hidden", "inner"),
    "dense_4h_to_h": ("inner", "hidden"),
    "embed_in": ("vocabulary", "hidden"),
    "embed_out": ("hidden", "vocabulary"),
}
_OPT: Shapes = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj"), ("hidden", "hidden")),
    "out_proj": ("hidden", "hidden"),
    "fc1": ("hidden", "inner"),
    "fc2": ("inner", "hidden"),
    "project_in": ("embedded", "hidden"),
    "project_out": ("hidden", "embedded"),
    "embed_tokens": ("vocabulary", "embedded"),
    "lm_head": ("embedded", "vocabulary"),
}


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures that have the same modules."""

    shapes: Shapes
    head_dim: int | None = None  # where config.json may leave it out and it is no quotient

    def sizes(self, module: str) -> tuple[str, str] | None:
        """The names of what goes in and comes out."""
        names = [name for name in module.rsplit(".", 3)[-3:] if not name.isdecimal()]
        return self.shapes.get(".".join(names[-2:])) or self.shapes.get(names[-1])


FAMILIES: Mapping[str, Family] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "granite", "olmo2"), Family(_LLAMA)),
    **dict.fromkeys(("cohere", "stablelm"), Family(_LLAMA)),
    **dict.fromkeys(("gemma", "gemma2", "gemma3_text"), Family(_LLAMA, head_dim=256)),
    "qwen3": Family(_LLAMA, head_dim=128),
    **dict.fromkeys(("qwen2_moe", "qwen3_moe"), Family({**_LLAMA, **_EXPERTS})),
    "starcoder2": Family(_STARCODER2),
    "mixtral": Family(_MIXTRAL),
    "phi": Family(_PHI),
    "phi3": Family(_PHI3),
    "gpt2": Family(_GPT2),
    "gpt_neox": Family(_GPT_NEOX),
    "opt": Family(_OPT),
}
"""By `model_type`. Of any other what is checked is taken for a warning."""
