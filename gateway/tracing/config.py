"""Tracing's section of the configuration: where traces go besides the ledger, and what of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from retrieval.config import Section


class LangfuseConfig(Section):
    """A Langfuse project."""

    public_key: str = Field(min_length=1, description="The project's public key, pk-lf-….")
    secret_key: SecretStr = Field(description='The project\'s secret key, as "env:NAME".')
    base_url: str = Field(
        default="https://cloud.langfuse.com", description="The Langfuse server's address."
    )


class OtlpConfig(Section):
    """Any OpenTelemetry collector that takes OTLP over HTTP."""

    endpoint: str = Field(description="Full address, for example http://otel:4318/v1/traces.")
    headers: dict[str, SecretStr] = Field(
        default={}, description='Sent with every export, for example { authorization = "env:X" }.'
    )


class TracingConfig(Section):
    """What is remembered of a request, and who else is told."""

    content: Literal["redacted", "none"] = Field(
        default="redacted",
        description="redacted: questions, passages, prompts and answers as the guards left them; "
        "none: names, numbers and times only. Holds for the ledger too.",
    )
    sample_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces that Langfuse and OTLP get; the ledger has all.",
    )
    langfuse: LangfuseConfig | None = Field(default=None, description="A Langfuse project.")
    otlp: OtlpConfig | None = Field(default=None, description="An OpenTelemetry collector.")
