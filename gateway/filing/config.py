"""The section `files` of the configuration: what clients may upload."""

from __future__ import annotations

from pydantic import Field

from retrieval.config import Section


class FilesConfig(Section):
    """Uploaded files lie in the data folder, each for its team; what is known of them is in the
    ledger's database. Gateways that share a database have to share that folder, too."""

    max_file_bytes: int = Field(default=200 * 10**6, ge=1, description="A larger file is refused.")
    max_team_bytes: int = Field(
        default=10 * 10**9, ge=1, description="What the files of a team may take together."
    )
