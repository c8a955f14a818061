"""The breakers' section of the configuration: who knows of an open breaker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from retrieval.config import Section
from routing.config import BreakerConfig


class MemoryStore(Section):
    """This process alone."""

    kind: Literal["memory"] = "memory"


class RedisStore(Section):
    """All gateways over one Redis. While it is away each goes by what it sees itself."""

    kind: Literal["redis"]
    url: SecretStr = Field(description='For example redis://redis:6379/0, or "env:REDIS_URL".')
    prefix: str = Field(default="moorline:", description="Put before every name in Redis.")
    refresh: float = Field(
        default=1, gt=0, description="Seconds between two looks at what the others say."
    )
    timeout: float = Field(
        default=0.5, gt=0, description="Seconds after which Redis counts as being away."
    )


StoreConfig = Annotated[MemoryStore | RedisStore, Field(discriminator="kind")]


class SharedBreakerConfig(BreakerConfig):
    """A deployment that keeps failing is not asked for a while, then by a few probes first."""

    store: StoreConfig = Field(default=MemoryStore(), description="Who knows of an open breaker.")
