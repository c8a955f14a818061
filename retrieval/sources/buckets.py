"""How an S3-compatible server is spoken to, by boto3 (extra `s3`), and its errors as reasons."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.sources.types import BadSource
from retrieval.urls import without_password

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
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


class Gone(Unreadable):
    """There is no such object."""


class Refused(Unreadable):
    """Nothing of that bucket can be read with these credentials, now or later."""


def named(url: str) -> tuple[str, str]:
    """The bucket and the key that `s3://bucket/key` names. Raises BadSource."""
    try:
        parts = urlsplit(url, allow_fragments=False)
    except ValueError as error:
        raise BadSource(f"{without_password(url)}: it is no URL") from error
    bucket = parts.netloc
    if "@" in bucket:
        raise BadSource(f"{without_password(url)}: {_IN_URL}")
    if not bucket:
        raise BadSource(f"No bucket is named: {url}")
    # A question mark is a sign like others in a key.
    return bucket, parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")


def connected(config: SourcesConfig) -> Any:
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


@contextmanager
def explained() -> Iterator[None]:
    """Errors of boto3 as reasons: Gone, Refused, or plain Unreadable for what may pass."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        if code in ("NoSuchKey", "404"):
            raise Gone("there is no such object") from error
        if code in _REFUSALS:
            raise Refused(_REFUSALS[code]) from error
        raise Unreadable(f"{code}: {said.get('Message', '')}") from error
    except NoCredentialsError as error:
        raise Refused(_NOBODY) from error
    except BotoCoreError as error:
        raise Unreadable(f"the bucket cannot be asked: {error}") from error
