"""The ledger's section of the configuration: which database, and how long rows are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from retrieval.config import Section


class Retention(Section):
    """How long a request is remembered. Budgets are a month's, so rows outlive a month."""

    keep_requests_days: int = Field(
        default=400, ge=32, description="Days that a request's row (tokens, cost, latency) is kept."
    )
    keep_traces_days: int = Field(
        default=30, ge=1, description="Days that a trace's spans, passages and prompt are kept."
    )


class SqliteLedger(Retention):
    """One file, for one machine."""

    kind: Literal["sqlite"] = "sqlite"
    path: Path | None = Field(
        default=None, description="The file; ledger.db in the data folder when empty."
    )


class PostgresLedger(Retention):
    """A PostgreSQL database that several gateways share (extra `postgres`)."""

    kind: Literal["postgres"]
    dsn: SecretStr = Field(description='Connection string as a secret, as "env:NAME".')
    namespace: str = Field(
        default="moorline",
        pattern=r"^[a-z_][a-z0-9_]*$",
        description="PostgreSQL schema that holds the tables; made when missing.",
    )


LedgerConfig = Annotated[SqliteLedger | PostgresLedger, Field(discriminator="kind")]
