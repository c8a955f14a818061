"""Cache's section of the configuration: what is kept, where, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from retrieval.config import Section


class MemoryStore(Section):
    """In this process; lost when it ends, and not shared between processes."""

    kind: Literal["memory"] = "memory"
    max_entries: int = Field(default=100_000, ge=1, description="Most answers kept.")
    max_bytes: int = Field(
        default=512 * 2**20,
        ge=1024,
        description="Most bytes kept; an answer of 1 KB with a question takes some 3 KB. One "
        "that takes more than a 64th of all is not kept.",
    )


class RedisStore(Section):
    """A Redis server, shared by all processes; its own maxmemory policy bounds it."""

    kind: Literal["redis"]
    url: SecretStr = Field(description='For example redis://redis:6379/0, or "env:REDIS_URL".')
    prefix: str = Field(default="moorline:cache:", description="Put before every key.")
    timeout: float = Field(default=0.25, gt=0, description="Longest wait for Redis, in seconds.")
    cool_down: float = Field(
        default=5.0, ge=0, description="Seconds without a try after Redis did not answer."
    )
    connections: int = Field(default=64, ge=1, description="Most connections at once.")
    mirror_bytes: int = Field(
        default=256 * 2**20,
        ge=1024,
        description="Most bytes of questions that each process keeps at hand to compare.",
    )


StoreConfig = Annotated[MemoryStore | RedisStore, Field(discriminator="kind")]


class SemanticConfig(Section):
    """Answers to a question that is merely similar. Even a good threshold is wrong at times."""

    enabled: bool = Field(default=False, description="Whether a similar question may be a hit.")
    max_error_rate: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Largest share of wrong ones among the answers that are given again; as many "
        "are given as that allows.",
    )
    floor: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Least cosine of a question to an earlier one that is looked at.",
    )
    calibration: Path | None = Field(
        default=None,
        description="A file of `moorline tune cache`, made of your own labelled pairs; the "
        "packaged one where not given.",
    )
    max_questions: int = Field(
        default=100_000,
        ge=1,
        description="Most questions compared of one scope; the oldest make room.",
    )


class CacheConfig(Section):
    """Answers given before."""

    enabled: bool = Field(default=True, description="Whether answers are kept at all.")
    ttl_seconds: float = Field(default=3600, gt=0, description="How long an answer is kept.")
    max_temperature: float = Field(
        default=0.3,
        ge=0,
        description="A request that sets a higher temperature wants variety and is not cached.",
    )
    store: StoreConfig = Field(default=MemoryStore(), description="Where answers are kept.")
    semantic: SemanticConfig = Field(default=SemanticConfig(), description="Similar questions.")
