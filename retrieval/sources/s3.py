"""Objects of an S3-compatible bucket as items: `s3://bucket/prefix`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Limits, known
from retrieval.sources.archives import Archive, is_archive
from retrieval.sources.buckets import Gone, Refused, connected, explained, named
from retrieval.sources.members import Held, kept
from retrieval.sources.reading import CHUNK, whole
from retrieval.sources.sidecars import LONGEST, Sidecars, is_sidecar
from retrieval.sources.types import BadSource, Item, Listing

_ASLEEP = {"GLACIER", "DEEP_ARCHIVE"}
_LAST = ".meta.toml"  # what the last of a key's sidecars ends in
_DISORDER = "its objects are not listed in the order of their keys"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What lies in a bucket below a prefix, or the one object of that name."""

    url: str
    config: SourcesConfig = field(default_factory=SourcesConfig)
    limits: Limits = LIMITS

    def items(self, listing: Listing) -> Iterator[Item]:
        """Objects of known formats in the order of their keys. Raises BadSource."""
        bucket, key = named(self.url)
        client = connected(self.config)
        if key and not key.endswith("/") and (known(key) or is_archive(key)):
            yield from self._one(client, bucket, key, listing)
            return
        prefix = f"{key}/" if key and not key.endswith("/") else key
        yield from self._below(client, bucket, prefix, listing)

    def _one(self, client: Any, bucket: str, key: str, listing: Listing) -> Iterator[Item]:
        try:
            with explained():
                found = client.head_object(Bucket=bucket, Key=key)
        except Unreadable as error:
            raise BadSource(f"s3://{bucket}/{key}: {error.reason}") from error
        etag = str(found.get("ETag", ""))
        if is_archive(key):
            name = f"s3://{bucket}/{key}"
            opened = partial(_spooled, client, bucket, key)
            yield from Archive(name, name, opened, etag, self.limits).items(listing)
            return
        above = key[: key.rfind("/") + 1]
        item = self._item(client, bucket, {"Key": key, "Size": found["ContentLength"]} | found)
        lookup = partial(_beside, client, bucket, above, None)
        yield Sidecars(lookup).described(item, key.removeprefix(above))

    def _below(self, client: Any, bucket: str, prefix: str, listing: Listing) -> Iterator[Item]:
        beside: set[str] = set()
        sidecars = Sidecars(partial(_beside, client, bucket, prefix, beside))
        try:
            _in_order(_objects(client, bucket, prefix))
            for found in _looking_ahead(_objects(client, bucket, prefix), beside):
                shown = f"s3://{bucket}/{found['Key']}"
                path = str(found["Key"]).removeprefix(prefix)
                if reason := _unfit(path, found):
                    listing.skipped.append((shown, reason))
                elif path and not path.endswith("/"):
                    yield sidecars.described(self._item(client, bucket, found), path)
        except Refused as error:
            raise BadSource(f"{self.url}: {error.reason}") from error
        except Unreadable as error:
            listing.unlisted.append((self.url, error.reason))

    def _item(self, client: Any, bucket: str, found: Mapping[str, Any]) -> Item:
        key, size = str(found["Key"]), int(found["Size"])
        name = key.rpartition("/")[2]
        read = partial(_read, Door(self.config, client), bucket, key, name, size, self.limits)
        etag = str(found.get("ETag", ""))
        return Item(f"s3://{bucket}/{key}", name, size, read, etag, portable=True)


@dataclass(frozen=True, slots=True)
class Door:
    """A client that can be sent away without the credentials that it was made with: elsewhere it
    is one of that process, with what that machine's environment says."""

    config: SourcesConfig
    client: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return _door, (self.config,)


@cache
def _door(config: SourcesConfig) -> Door:
    return Door(config, connected(config))


def _objects(client: Any, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """The objects in the order of their keys, a page of the list at a time. Raises Unreadable."""
    with explained():
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", ())


def _in_order(objects: Iterator[Mapping[str, Any]]) -> None:
    """Look through the whole list before anything of it is used. Raises Unreadable.

    Where it is not in order, an object may be used before its sidecar is seen, and shown to whom it
    is not for. One request for a thousand keys, none of which is kept."""
    before = b""
    for found in objects:
        here = str(found["Key"]).encode()
        if here < before:
            raise Unreadable(_DISORDER)
        before = here


def _looking_ahead(
    objects: Iterator[Mapping[str, Any]], beside: set[str]
) -> Iterator[Mapping[str, Any]]:
    """The same, each after its sidecars are known to be there or not. Raises Unreadable.

    `a.md.meta.toml` is listed behind `a.md`: looking further is free, asking for each is not."""
    waiting: deque[Mapping[str, Any]] = deque()
    before = b""
    for found in objects:
        key = str(found["Key"])
        here = key.encode()
        if here < before:
            raise Unreadable(_DISORDER)
        before = here
        while waiting and here > _until(str(waiting[0]["Key"])):
            yield waiting.popleft()
        if is_sidecar(key):
            beside.add(key)
        waiting.append(found)
    yield from waiting


def _until(key: str) -> bytes:
    """Behind which key nothing of this one can follow."""
    return (key + _LAST if known(key) else key).encode()


def _read(door: Door, bucket: str, key: str, name: str, size: int, limits: Limits) -> bytes:
    with explained():
        body = door.client.get_object(Bucket=bucket, Key=key)["Body"]
        with body:
            return whole(body.iter_chunks(CHUNK), name, size, limits)


def _spooled(client: Any, bucket: str, key: str) -> Held:
    with explained():
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with body:
            return kept(body.iter_chunks(CHUNK))


def _beside(
    client: Any, bucket: str, prefix: str, known_keys: set[str] | None, path: str
) -> bytes | None:
    """A sidecar; asked for only where it is listed, or may have been listed before."""
    key = prefix + path
    folders = path.rpartition("/")[2] == "_meta.toml"
    if known_keys is not None and not folders and key not in known_keys:
        return None
    try:
        with explained():
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            with body:
                return bytes(body.read(LONGEST + 1))
    except Gone:
        return None
    except Unreadable as error:
        raise Unreadable(f"{key.rpartition('/')[2]}: {error.reason}") from error


def _unfit(path: str, found: Mapping[str, Any]) -> str:
    """Why an object is no document; a folder's mark is nothing at all."""
    if path.endswith("/") or not path:
        return ""
    if any(part.startswith((".", "~$")) for part in path.split("/")):
        return "hidden"
    if is_sidecar(path):
        return "metadata of other files"
    if is_archive(path):
        return "an archive: name it to have it looked into"
    if not known(path):
        return "unknown format"
    return "in cold storage: restore it first" if found.get("StorageClass") in _ASLEEP else ""
