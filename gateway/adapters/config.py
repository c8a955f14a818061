"""The section `adapters` of the configuration: where their files are kept."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.adapters.sources.config import AdapterSourcesConfig
from retrieval.config import Section


class ShadowConfig(Section):
    """Trying a revision out before anybody is answered by it: what the live one has answered is put
    to the one under the alias `shadow` as well, and nobody is shown what that says."""

    share: float = Field(
        default=0.1, ge=0, le=1, description="Of the requests that the live revision answers."
    )
    max_in_flight: int = Field(
        default=2, ge=1, description="Asked at once by one gateway; further ones are left out."
    )
    time: float = Field(default=60, gt=0, description="Seconds in which it must have answered.")


class AdaptersConfig(Section):
    """LoRA adapters that are added while the gateway runs, see `moorline adapters`."""

    folder: Path | None = Field(
        default=None,
        description="Where their files are kept by their content; `adapters` in `data` when empty. "
        "The engines read them from here. One ledger's alone: what its adapters do not name goes.",
    )
    seen_as: Path | None = Field(
        default=None,
        description="The path under which engines see that folder, all of them the same; the "
        "folder's own when empty.",
    )
    sources: AdapterSourcesConfig = Field(
        default=AdapterSourcesConfig(), description="Where they may be fetched from."
    )

    shadow: ShadowConfig = Field(
        default=ShadowConfig(), description="What is asked beside a live revision."
    )

    def kept_in(self, data: Path) -> Path:
        """The folder, by the data folder."""
        return self.folder or data / "adapters"

    def read_from(self, data: Path) -> Path:
        """The folder as engines are told of it."""
        return self.seen_as or self.kept_in(data).absolute()
