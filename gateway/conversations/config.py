"""The section `conversations` of the configuration: what is kept of responses, and for how long."""

from __future__ import annotations

from pydantic import Field

from retrieval.config import Section


class ConversationsConfig(Section):
    """Responses are customers' words: what is kept here is kept in the ledger's database, for one
    team alone, redacted as the model read it, and forgotten in time."""

    enabled: bool = Field(
        default=True, description="Whether responses are stored; off, `store` is always false."
    )
    keep_days: float = Field(
        default=30, gt=0, description="Days that a response is kept after it was last continued."
    )
    max_response_bytes: int = Field(
        default=8 * 2**20, ge=1024, description="A larger response, its input counted, is not kept."
    )
    max_team_bytes: int = Field(
        default=256 * 2**20,
        ge=1024,
        description="What a team's responses may take; beyond, its oldest go, within a minute.",
    )
