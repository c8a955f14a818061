"""A source as an operator writes it: a folder, `s3://bucket/prefix`, `hub:owner/name@revision`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.sources.config import AdapterSourcesConfig
from gateway.adapters.sources.fetching import Patience
from gateway.adapters.sources.folder import Folder
from gateway.adapters.sources.hub import Repository
from gateway.adapters.sources.s3 import Prefix
from gateway.adapters.sources.types import Source
from retrieval.urls import without_password

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def source(
    written: str, config: AdapterSourcesConfig, wait: Callable[[float], None] = time.sleep
) -> Source:
    """What is written. Raises BadAdapter for what names no source."""
    if "\0" in written:
        raise BadAdapter("invalid", f"{shown(written)} is no name of a folder")
    patience = Patience(config, wait)
    if written.startswith("hub:"):
        return Repository.named(written.removeprefix("hub:"), patience)
    scheme = _SCHEME.match(written)
    if scheme is None:
        return Folder(Path(written), config.max_bytes)
    if scheme[1].lower() == "s3":
        return Prefix(written, patience)
    raise BadAdapter(
        "invalid",
        f"{shown(without_password(written))} is no folder, s3://bucket/prefix or hub:owner/name",
    )
