"""The metrics' section of the configuration."""

from __future__ import annotations

from pydantic import Field

from retrieval.config import Section


class MetricsConfig(Section):
    """What Prometheus may read at /metrics."""

    open: bool = Field(
        default=False,
        description="Tell them to everyone who reaches the port; else they need an admin's key.",
    )
