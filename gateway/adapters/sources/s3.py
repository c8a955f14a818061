"""An adapter in an S3-compatible bucket: `s3://bucket/prefix`, by boto3 (extra `s3`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.adapters.content import KEPT, complete
from gateway.adapters.failures import BadAdapter, SourceAway
from gateway.adapters.sources.fetching import Announced, Patience, settings, told
from retrieval.sources.buckets import connected, explained, named
from retrieval.sources.types import BadSource

_CHUNK = 2**20
_MOST = 1_000  # objects that are looked at below a prefix: an adapter has a dozen


@dataclass(frozen=True, slots=True)
class Prefix:
    """What lies in a bucket below a prefix."""

    url: str
    patience: Patience

    def fetch(self, room: Path) -> str:
        """Raises BadAdapter, SourceAway."""
        try:
            bucket, key = named(self.url)
        except BadSource as error:
            raise BadAdapter("invalid", str(error)) from error
        prefix = f"{key.rstrip('/')}/" if key else ""
        try:
            client = connected(settings(self.patience.config))
        except BadSource as error:
            raise SourceAway(str(error)) from error
        found = self._listed(client, bucket, prefix)
        complete(list(found))
        for name in KEPT:
            size, version = found[name]
            sent = partial(_sent, client, bucket, prefix + name, version)
            self.patience.fetch(Announced(name, size), room / name, sent)
        return f"s3://{bucket}/{prefix}".rstrip("/")

    def _listed(self, client: Any, bucket: str, prefix: str) -> dict[str, tuple[int, str]]:
        """Sizes and versions by name."""
        found: dict[str, tuple[int, str]] = {}
        for attempt in self.patience.attempts():
            with attempt, told(self.url), explained():
                listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_MOST)
                for each in listed.get("Contents", ()):
                    name = str(each["Key"]).removeprefix(prefix)
                    found[name] = int(each["Size"]), str(each["ETag"])
        return found


@contextmanager
def _sent(
    client: Any, bucket: str, key: str, version: str, start: int
) -> Iterator[Iterator[bytes]]:
    with explained():
        # Another version half-way through would be neither the one nor the other.
        wanted: dict[str, str] = {"Bucket": bucket, "Key": key, "IfMatch": version}
        body = client.get_object(**wanted, **({"Range": f"bytes={start}-"} if start else {}))[
            "Body"
        ]
        with body:
            yield body.iter_chunks(_CHUNK)
