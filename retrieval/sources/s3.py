"""Objects of an S3-compatible bucket as items: `s3://bucket/prefix`, by boto3 (extra `s3`)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Limits, known
from retrieval.sources.archives import Archive, is_archive
from retrieval.sources.members import Held, kept
from retrieval.sources.reading import CHUNK, whole
from retrieval.sources.sidecars import LONGEST, Sidecars, is_sidecar
from retrieval.sources.types import BadSource, Item, Listing
from retrieval.urls import without_password

_ASLEEP = {"GLACIER", "DEEP_ARCHIVE"}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_LAST = ".meta.toml"  # what the last of a key's sidecars ends in
_DISORDER = "its objects are not listed in the order of their keys"
_GONE = "there is no such object"
_NOBODY = (
    "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)
_IN_URL = (
    "credentials do not belong into a URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE"
)
_REFUSALS = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidBucketName": "that is no name for a bucket",
    "AccessDenied": "access is denied to these credentials",
    "InvalidAccessKeyId": "the credentials are not known there",
    "SignatureDoesNotMatch": "the credentials do not fit",
    "403": "access is denied to these credentials",
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """What lies in a bucket below a prefix, or the one object of that name."""

    url: str
    config: SourcesConfig = field(default_factory=SourcesConfig)
    limits: Limits = LIMITS

    def items(self, listing: Listing) -> Iterator[Item]:
        """Objects of known formats in the order of their keys. Raises BadSource."""
        try:
            parts = urlsplit(self.url, allow_fragments=False)
        except ValueError as error:
            raise BadSource(f"{without_password(self.url)}: it is no URL") from error
        bucket = parts.netloc
        if "@" in bucket:
            raise BadSource(f"{without_password(self.url)}: {_IN_URL}")
        # A question mark is a sign like others in a key.
        key = parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")
        if not bucket:
            raise BadSource(f"No bucket is named: {self.url}")
        client = _client(self.config)
        if key and not key.endswith("/") and (known(key) or is_archive(key)):
            yield from self._one(client, bucket, key, listing)
            return
        prefix = f"{key}/" if key and not key.endswith("/") else key
        yield from self._below(client, bucket, prefix, listing)

    def _one(self, client: Any, bucket: str, key: str, listing: Listing) -> Iterator[Item]:
        try:
            with _explained():
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
        except Unreadable as error:
            if error.reason in (_NOBODY, *_REFUSALS.values()):
                raise BadSource(f"{self.url}: {error.reason}") from error
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
    return Door(config, _client(config))


def _client(config: SourcesConfig) -> Any:
    """A client, which may be used from any thread. Raises BadSource."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise BadSource("Reading from a bucket needs boto3: pip install 'moorline[s3]'.") from error
    own = config.s3_endpoint or any(os.environ.get(name) for name in _ENDPOINTS)
    settings = Config(
        connect_timeout=10,
        read_timeout=config.timeout,
        retries={"mode": "standard", "max_attempts": 4},
        # A server of one's own seldom has a name for each bucket.
        s3={"addressing_style": "path" if own else "auto"},
        user_agent_extra="moorline",
    )
    try:
        return boto3.session.Session().client(
            "s3", endpoint_url=config.s3_endpoint, region_name=config.s3_region, config=settings
        )
    except (BotoCoreError, ValueError) as error:
        raise BadSource(f"The bucket cannot be asked: {error}") from error


def _objects(client: Any, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """The objects in the order of their keys, a page of the list at a time. Raises Unreadable."""
    with _explained():
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
    with _explained():
        body = door.client.get_object(Bucket=bucket, Key=key)["Body"]
        with body:
            return whole(body.iter_chunks(CHUNK), name, size, limits)


def _spooled(client: Any, bucket: str, key: str) -> Held:
    with _explained():
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
        with _explained():
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            with body:
                return bytes(body.read(LONGEST + 1))
    except Unreadable as error:
        if error.reason == _GONE:
            return None
        raise Unreadable(f"{key.rpartition('/')[2]}: {error.reason}") from error


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of boto3 as reasons."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        if code in ("NoSuchKey", "404"):
            raise Unreadable(_GONE) from error
        raise Unreadable(_REFUSALS.get(code) or f"{code}: {said.get('Message', '')}") from error
    except NoCredentialsError as error:
        raise Unreadable(_NOBODY) from error
    except BotoCoreError as error:
        raise Unreadable(f"the bucket cannot be asked: {error}") from error


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
