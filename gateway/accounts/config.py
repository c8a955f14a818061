"""The limits' section of the configuration: what keys without own limits have, who counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from retrieval.config import Section


class MemoryStore(Section):
    """This process counts: exact where there is one gateway."""

    kind: Literal["memory"] = "memory"


class RedisStore(Section):
    """Redis counts, for several gateways at once."""

    kind: Literal["redis"]
    url: SecretStr = Field(description='For example redis://redis:6379/0, or "env:REDIS_URL".')
    prefix: str = Field(default="moorline:", description="Put before every name in Redis.")
    timeout: float = Field(
        default=0.5, gt=0, description="Seconds after which Redis counts as being down."
    )
    when_down: Literal["open", "closed"] = Field(
        default="open",
        description="open: each gateway counts alone meanwhile; closed: requests with limits wait.",
    )


StoreConfig = Annotated[MemoryStore | RedisStore, Field(discriminator="kind")]


class LimitsConfig(Section):
    """Limits of keys that have none of their own, and where all limits are counted."""

    store: StoreConfig = Field(default=MemoryStore(), description="Who counts.")
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="Of each key; a minute's worth may come at once."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="Of each key, prompt and answer together."
    )
    budget_usd: float | None = Field(
        default=None, gt=0, description="Of each key, a calendar month (UTC)."
    )
