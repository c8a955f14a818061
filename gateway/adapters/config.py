"""The section `adapters` of the configuration: where their files are kept."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.adapters.sources.config import AdapterSourcesConfig
from retrieval.config import Section


class AdaptersConfig(Section):
    """LoRA adapters that are added while the gateway runs, see `moorline adapters`."""

    folder: Path | None = Field(
        default=None,
        description="Where their files are kept by their content; `adapters` in `data` when empty. "
        "The engines read them from here.",
    )
    seen_as: Path | None = Field(
        default=None,
        description="The path under which engines see that folder, all of them the same; the "
        "folder's own when empty.",
    )
    sources: AdapterSourcesConfig = Field(
        default=AdapterSourcesConfig(), description="Where they may be fetched from."
    )

    def kept_in(self, data: Path) -> Path:
        """The folder, by the data folder."""
        return self.folder or data / "adapters"

    def read_from(self, data: Path) -> Path:
        """The folder as engines are told of it."""
        return self.seen_as or self.kept_in(data).absolute()
