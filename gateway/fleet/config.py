"""The sections about LoRA adapters on vLLM: what an engine holds, and who shares the view of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import DirectoryPath, Field, FilePath, SecretStr, model_validator

from retrieval.config import Section


class LoraConfig(Section):
    """LoRA adapters of one base model. The figures are those that vLLM was started with, on every
    replica alike, and none of them is asked of it: no endpoint tells them."""

    base: str | None = Field(
        default=None,
        description="Which of `models` the adapters change; the first one when empty.",
    )
    base_config: FilePath | DirectoryPath | None = Field(
        default=None,
        description="The base model's `config.json`, or the folder that has it: adapters' shapes "
        "are held against it before anything is loaded.",
    )
    slots: int = Field(
        default=8, ge=1, description="`--max-loras`: adapters in the GPU at once, on each replica."
    )
    cpu_slots: int = Field(
        default=64,
        ge=1,
        description="`--max-cpu-loras`: kept in memory, those in the GPU included.",
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
