"""Ingestion on a Ray cluster, as the configuration describes it: what is sent to its workers.

Nothing secret is: a worker finds the encoder's key, and the credentials of a bucket, in its own
environment.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.config import Config, ConfigError, resolved
from retrieval.ingestion.engines.types import Engines
from retrieval.types import Encoder, RetrievalError

_DEFAULT = {"kind": "minilm"}
MISSING = "The engine `ray` needs Ray: pip install 'moorline[ray]'."


def spread(config: Config, encoder: Mapping[str, Any]) -> Engines:
    """Engines on the configured cluster. `encoder` is `retrieval.encoder` as it is written.

    Raises RetrievalError."""
    for name, value in config.retrieval.encoder:
        if isinstance(value, SecretStr) and encoder.get(name) == value.get_secret_value():
            raise RetrievalError(
                f'Write `retrieval.encoder.{name}` as "env:NAME": workers read it from their own '
                "environment, and what is sent to them is no secret."
            )
    if find_spec("ray") is None:
        raise RetrievalError(MISSING)
    from retrieval.ingestion.engines.ray import cluster

    settings = config.ingestion.ray
    cores = math.ceil(settings.worker_cpus)
    return cluster(settings, partial(opened, dict(encoder or _DEFAULT), cores))


@asynccontextmanager
async def opened(encoder: Mapping[str, Any], cores: int) -> AsyncIterator[Encoder]:
    """The encoder, on the machine that this is called on. Raises RetrievalError."""
    from gateway.backends import open_encoder  # much of the house, which no command waits for

    try:
        config = resolved({"retrieval": {"encoder": encoder}}, "The encoder")
    except ConfigError as error:
        raise RetrievalError(str(error)) from error
    async with open_encoder(config.model_copy(update={"data": _kept()}), cores) as found:
        yield found


def _kept() -> Path:
    """Where a worker keeps what it makes of the encoder's weights: the cache of its user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moorline"
