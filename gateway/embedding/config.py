"""A model that embeds, in its provider's section of the configuration."""

from __future__ import annotations

from pydantic import Field

from retrieval.config import Section


class EmbeddingModel(Section):
    """A model that embeds texts, as its provider calls it."""

    name: str = Field(min_length=1, description="The name that is sent to the provider.")
    listed_as: str | None = Field(default=None, description="What the price list calls it.")
    input_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of a million tokens; else that of the price list."
    )
    batch: int = Field(
        default=128, ge=1, le=2048, description="Inputs of one call; more are split."
    )
    parallel: int = Field(default=4, ge=1, description="Calls at once; others wait.")
    attempts: int = Field(default=3, ge=1, le=10, description="Attempts at one call.")
    batch_wait_ms: float = Field(
        default=0,
        ge=0,
        le=1000,
        description="How long a request smaller than a batch waits for others to share its call.",
    )
