"""What PEFT can train and vLLM does not serve: it would refuse the adapter when it is loaded.

As of vLLM 0.33 (`vllm/lora/peft_helper.py`); the same reasons, told when the adapter is added.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.validation.settings import Settings

HEADS = ("classifier", "score")
"""The only modules whose full weights may come with an adapter."""
_HARMLESS_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
_TABLED = {
    "use_dora": "DoRA is not served: train with use_dora=False",
    "lora_bias": "a bias beside LoRA's matrices (lora_bias) is not served",
    "alora_invocation_tokens": "activated LoRA (aLoRA) is not served",
    "arrow_config": "routing among adapters inside the model (Arrow) is not served",
    "kasa_config": "KaSA is not served",
    "layer_replication": "replicated layers (layer_replication) are not served",
    # PEFT would import whatever module `megatron_core` names.
    "megatron_config": "what Megatron's layers are parted by (megatron_config) is not served",
    "use_bdlora": "block-diagonal LoRA (BD-LoRA) is not served",
    "use_qalora": "QALoRA is not served",
    "trainable_token_indices": "trained tokens (trainable_token_indices) are not served",
}


def refuse_unsupported(settings: Settings) -> None:
    """Raise BadAdapter with all reasons there are."""
    if reasons := list(_reasons(settings)):
        raise BadAdapter("incompatible", "; ".join(reasons))


def _reasons(settings: Settings) -> Iterator[str]:
    if settings.peft_type.upper() != "LORA":
        yield f"peft_type is {shown(settings.peft_type)}, and only LORA is served"
    for key, reason in _TABLED.items():
        if getattr(settings, key):
            yield reason
    if settings.bias != "none":
        yield f"trained biases (bias = {shown(settings.bias)}) are not served"
    if others := [name for name in settings.modules_to_save or () if name not in HEADS]:
        named = ", ".join(map(shown, others[:5]))
        yield f"full weights are served of {' and '.join(HEADS)} alone, not of {named}"
    start = settings.init_lora_weights
    if isinstance(start, str) and start.lower() not in _HARMLESS_STARTS:
        # PiSSA, OLoRA, CorDA and LoftQ: the base model that engines have is not the one it is for.
        yield (
            f"init_lora_weights = {shown(start)} changes the base model's own weights: save it "
            "with path_initial_model_for_weight_conversion, which makes an ordinary LoRA of it"
        )
