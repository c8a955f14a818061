"""The section `adapters.sources` of the configuration: where adapters may be fetched from, and how
much of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic.networks import IPvAnyNetwork

from retrieval.config import Section


class AdapterSourcesConfig(Section):
    """How adapters are fetched that do not lie on this machine."""

    max_bytes: int = Field(default=2 * 2**30, ge=1, description="A larger file is refused.")
    timeout: float = Field(
        default=600, gt=0, description="Seconds in which one try to fetch a file must succeed."
    )
    tries: int = Field(
        default=5,
        ge=1,
        le=20,
        description="How often a fetch that breaks off is taken up again, with growing pauses.",
    )
    private_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks that are not public and may be fetched from all the same, such as "
        '"10.1.0.0/16" for a mirror of the hub in it.',
    )
    hub_url: str | None = Field(
        default=None,
        pattern="^https?://",
        description="The Hugging Face hub or a mirror; HF_ENDPOINT or https://huggingface.co "
        "where empty.",
    )
    hub_token: SecretStr | None = Field(
        default=None, description='For private repositories; a secret, as "env:HF_TOKEN".'
    )
    hub_cache: Path | None = Field(
        default=None,
        description="Where other tools keep what they fetched from the hub, looked into first; "
        "HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub where empty.",
    )
    offline: bool | None = Field(
        default=None,
        description="Whether the hub is never asked and its cache is all there is; HF_HUB_OFFLINE "
        "where empty.",
    )
    s3_endpoint: str | None = Field(
        default=None,
        description="URL of an S3-compatible server; AWS_ENDPOINT_URL_S3 or Amazon's where empty.",
    )
    s3_region: str | None = Field(
        default=None, description="Region of the buckets; as the environment says where empty."
    )
