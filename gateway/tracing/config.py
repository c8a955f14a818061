"""Tracing's section of the configuration: where traces go besides the ledger, and what of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from retrieval.config import Section


class LangfuseSink(Section):
    """A Langfuse project."""

    kind: Literal["langfuse"]
    public_key: str = Field(min_length=1, description="The project's public key, pk-lf-….")
    secret_key: SecretStr = Field(description='The project\'s secret key, as "env:NAME".')
    base_url: str = Field(
        default="https://cloud.langfuse.com", description="The Langfuse server's address."
    )


class OtlpSink(Section):
    """Any OpenTelemetry collector that takes OTLP over HTTP."""

    kind: Literal["otlp"]
    endpoint: str = Field(description="Full address, for example http://otel:4318/v1/traces.")
    headers: dict[str, SecretStr] = Field(
        default={}, description='Sent with every export, for example { authorization = "env:X" }.'
    )


SinkConfig = Annotated[LangfuseSink | OtlpSink, Field(discriminator="kind")]


class TracingConfig(Section):
    """What is remembered of a request, and who else is told."""

    sinks: tuple[SinkConfig, ...] = Field(default=(), description="Besides the ledger.")
    content: Literal["redacted", "none"] = Field(
        default="redacted",
        description="redacted: questions, passages, prompts and answers as the guards left them; "
        "none: names, numbers and times only. Holds for the ledger too.",
    )
    sample_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces that sinks get; the ledger has all.",
    )
