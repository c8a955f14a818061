"""`adapter_config.json` as PEFT writes it: what is needed of it, with the types that it must have.

Keys that are not known are let pass, since each release adds some.
"""

from __future__ import annotations

from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.adapters.content import CONFIG, mistaken
from gateway.adapters.failures import BadAdapter, shown

_LONGEST = 8 * 2**20  # ranks of each module of a large mixture of experts take 2 MB
Rank = Annotated[int, Field(ge=1, le=2**16)]
Alpha = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """How an adapter was trained. Names are PEFT's."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    peft_type: str
    r: Rank
    lora_alpha: Alpha
    target_modules: list[str] | str | None
    exclude_modules: list[str] | str | None = None
    layers_pattern: list[str] | str | None = None
    base_model_name_or_path: str | None = None
    rank_pattern: dict[str, Rank] | None = None
    alpha_pattern: dict[str, Alpha] | None = None
    modules_to_save: list[str] | None = None
    bias: str = "none"
    init_lora_weights: bool | str | None = True
    lora_bias: bool | None = False
    use_rslora: bool | None = False
    use_dora: bool | None = False
    use_qalora: bool | None = False
    use_bdlora: Any = None
    alora_invocation_tokens: Any = None
    arrow_config: Any = None
    kasa_config: Any = None
    layer_replication: Any = None
    megatron_config: Any = None
    trainable_token_indices: Any = None

    @property
    def largest_rank(self) -> int:
        """What engines compare with the room that they have."""
        return max(self.r, *(self.rank_pattern or {}).values(), 1)


def settings(file: BinaryIO) -> Settings:
    """What the file says. Raises BadAdapter."""
    text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise BadAdapter("corrupt", f"{CONFIG}: more than {_LONGEST:,} bytes")
    if not text.strip():
        raise BadAdapter("corrupt", f"{CONFIG}: it is empty")
    if what := mistaken(text[:64]):
        raise BadAdapter("corrupt", f"{CONFIG}: it is {what}")
    try:
        return Settings.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            raise BadAdapter("corrupt", f"{CONFIG}: {found[0]['msg']}") from None
        first = found[0]
        key = ".".join(shown(str(part))[1:-1] for part in first["loc"])
        raise BadAdapter("invalid", f"{CONFIG}: {key or 'it'}: {first['msg']}") from None
