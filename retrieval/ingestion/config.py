"""Ingestion's section of the configuration: what does its work, and where."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from retrieval.config import Section

EngineName: TypeAlias = Literal["local", "ray"]


class RayConfig(Section):
    """A Ray cluster that parses, splits, scans and embeds (extra `ray`)."""

    address: str | None = Field(
        default=None,
        description='"auto", or HOST:PORT of the head, on one of the cluster\'s nodes; '
        "RAY_ADDRESS where empty, and without that a cluster of this machine alone is started.",
    )
    workers: int | None = Field(
        default=None, ge=1, description="As many as the cluster's processors hold when empty."
    )
    worker_cpus: float = Field(
        default=1.0, gt=0, description="Processors that the cluster sets aside for a worker."
    )
    worker_gpus: float = Field(
        default=0.0, ge=0, description="GPUs that the cluster sets aside for a worker."
    )
    fetch: Literal["driver", "workers"] = Field(
        default="driver",
        description="Who reads documents. `driver`: the command, which sends the bytes; workers "
        "need to reach nothing. `workers`: they read objects of buckets (with credentials of their "
        "own), pages, and files, which then lie under the same path on every node; members of "
        "archives and standard input come by the driver all the same.",
    )


class IngestionConfig(Section):
    """What `moorline ingest` works with. A gateway ingests in its own process."""

    engine: EngineName = Field(
        default="local", description="`local`: this process. `ray`: a cluster."
    )
    ray: RayConfig = Field(default=RayConfig(), description="The cluster.")
