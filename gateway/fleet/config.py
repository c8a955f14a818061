"""The sections about LoRA adapters on vLLM: what an engine holds, and who shares the view of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import DirectoryPath, Field, FilePath, SecretStr, model_validator

from retrieval.config import Section


class AdaptedConfig(Section):
    """LoRA adapters of one base model."""

    base: str | None = Field(
        default=None,
        description="Which of `models` the adapters change; the first one when empty.",
    )
    base_config: FilePath | DirectoryPath | None = Field(
        default=None,
        description="The base model's `config.json`, or the folder that has it: adapters' shapes "
        "are held against it before anything is loaded.",
    )
    slots: int = Field(default=8, ge=1, description="Adapters that are loaded at once.")
    max_rank: int = Field(default=16, ge=1, description="An adapter of a higher rank is refused.")


class LoraConfig(AdaptedConfig):
    """The same on vLLM. The figures are those that it was started with, on every replica alike, and
    none of them is asked of it: no endpoint tells them."""

    slots: int = Field(
        default=8, ge=1, description="`--max-loras`: adapters in the GPU at once, on each replica."
    )
    cpu_slots: int = Field(
        default=64,
        ge=1,
        description="`--max-cpu-loras`: kept in memory, those in the GPU included.",
    )
    seats: int = Field(
        default=256, ge=1, description="`--max-num-seqs`: requests that it works on at once."
    )
    max_rank: int = Field(
        default=16, ge=1, description="`--max-lora-rank`: an adapter of a higher rank is refused."
    )
    load_timeout: float = Field(
        default=60, gt=0, description="Seconds in which an adapter must have been loaded."
    )
    load_tries: int = Field(
        default=3, ge=1, le=10, description="Tries of a load that fails for what may pass."
    )
    max_waiting: int = Field(
        default=256, ge=0, description="Requests that may wait for a slot; others are refused."
    )
    max_wait: float = Field(
        default=30, gt=0, description="Seconds after which who waits for a slot is refused."
    )
    drain_after: float = Field(
        default=2,
        gt=0,
        description="Seconds after which a slot is cleared for who has waited longest.",
    )

    @model_validator(mode="after")
    def _the_gpu_is_part_of_the_memory(self) -> Self:
        if self.cpu_slots < self.slots:
            raise ValueError(f"`cpu_slots` ({self.cpu_slots}) is less than `slots` ({self.slots})")
        return self


class SpeculativeConfig(Section):
    """Tokens that a smaller model, or none, proposes and the model checks in one step. What is
    proposed knows nothing of adapters: with one that changes much, little of it is taken."""

    method: Literal["ngram", "eagle", "eagle3", "mtp", "draft_model"] = Field(
        default="ngram", description="Who proposes them; `ngram` looks in the prompt."
    )
    model: str | None = Field(default=None, description="That does, but for `ngram` and `mtp`.")
    tokens: int = Field(default=4, ge=1, description="Proposed at a time.")

    @model_validator(mode="after")
    def _somebody_proposes(self) -> Self:
        if self.model is None and self.method not in ("ngram", "mtp"):
            raise ValueError(f"`method` is {self.method}, which needs a `model`")
        return self


class ServeConfig(Section):
    """How vLLM is started. Read by `moorline vllm command` alone; what the gateway has to know,
    too, stands with the model and in `lora`."""

    weights: str | None = Field(
        default=None, description="Folder or hub name of the model; its `name` when empty."
    )
    quantization: Literal["awq", "gptq", "bitsandbytes", "fp8"] | None = Field(
        default=None, description="Of the base model; adapters stay as they are."
    )
    speculative: SpeculativeConfig | None = Field(default=None, description="Speculative decoding.")
    prefix_caching: bool = Field(
        default=True, description="Keep what was computed of prompts' beginnings, by adapter."
    )
    scheduling: Literal["fcfs", "priority"] = Field(
        default="fcfs", description="Whether requests with a lower `priority` go first."
    )
    gpu_memory: float = Field(default=0.9, gt=0, le=1, description="Share of the GPU's memory.")
    tensor_parallel: int = Field(default=1, ge=1, description="GPUs that share the model.")
    flags: tuple[str, ...] = Field(
        default=(), description="Further arguments, each as it is to be passed."
    )


class MemoryView(Section):
    """This process alone."""

    kind: Literal["memory"] = "memory"


class RedisView(Section):
    """All gateways over one Redis. While it is away each keeps an adapter to a few replicas, the
    same ones as the others without asking them."""

    kind: Literal["redis"]
    url: SecretStr = Field(description='For example redis://redis:6379/0, or "env:REDIS_URL".')
    prefix: str = Field(default="moorline:", description="Put before every name in Redis.")
    every: float = Field(
        default=0.01, gt=0, description="Seconds in which what is done is told in one message."
    )
    refresh: float = Field(
        default=1, gt=0, description="Seconds between two times that all of it is told again."
    )
    silence: float = Field(
        default=5, gt=0, description="Seconds after which a gateway that says nothing is gone."
    )
    timeout: float = Field(
        default=0.5, gt=0, description="Seconds after which Redis counts as being away."
    )


ViewConfig = Annotated[MemoryView | RedisView, Field(discriminator="kind")]


class FleetConfig(Section):
    """Replicas of one model, and the adapters that each of them has."""

    view: ViewConfig = Field(
        default=MemoryView(), description="Who else sees where adapters are and what is under way."
    )
