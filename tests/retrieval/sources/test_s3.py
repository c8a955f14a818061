"""Against moto's S3 server on loopback."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import Limits
from retrieval.sources.s3 import Bucket
from retrieval.sources.types import BadSource, Item, Listing


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def config(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> SourcesConfig:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return SourcesConfig(s3_endpoint=endpoint, s3_region="us-east-1")


@pytest.fixture
def client(config: SourcesConfig) -> Iterator[Any]:
    """A client of a server with one empty bucket, `docs`."""
    client = boto3.client("s3", endpoint_url=config.s3_endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="docs")
    yield client
    for found in client.list_objects_v2(Bucket="docs").get("Contents", ()):
        client.delete_object(Bucket="docs", Key=found["Key"])
    client.delete_bucket(Bucket="docs")
    client.close()


def put(client: Any, **objects: bytes) -> None:
    for key, data in objects.items():
        client.put_object(Bucket="docs", Key=key, Body=data)


def items(url: str, config: SourcesConfig, listing: Listing | None = None) -> list[Item]:
    return list(Bucket(url, config).items(listing or Listing()))


def test_objects_below_a_prefix_are_items(client: Any, config: SourcesConfig) -> None:
    put(client, **{"a/one.md": b"One.", "a/b/two.md": b"Two.", "ab/three.md": b"Three."})
    found = items("s3://docs/a", config)
    assert [item.source for item in found] == ["s3://docs/a/b/two.md", "s3://docs/a/one.md"]
    assert [item.name for item in found] == ["two.md", "one.md"]
    assert [item.read() for item in found] == [b"Two.", b"One."]
    assert [item.size for item in found] == [4, 4]
    assert len(items("s3://docs", config)) == 3


def test_an_object_is_read_elsewhere_with_the_credentials_that_are_there(
    client: Any, config: SourcesConfig
) -> None:
    put(client, **{"a.md": b"One."})
    (item,) = items("s3://docs", config)
    sent = pickle.dumps(item)
    assert item.portable
    assert b"secret" not in sent
    assert pickle.loads(sent).read() == b"One."


def test_a_stamp_changes_with_the_object(client: Any, config: SourcesConfig) -> None:
    put(client, **{"one.md": b"One."})
    (before,) = items("s3://docs", config)
    put(client, **{"one.md": b"One more."})
    (after,) = items("s3://docs", config)
    assert before.stamp
    assert before.stamp != after.stamp


def test_one_object_is_known_as_it_is_below_its_folder(client: Any, config: SourcesConfig) -> None:
    put(client, **{"a/one.md": b"One.", "a/one.md.bak.md": b"Old."})
    (found,) = items("s3://docs/a/one.md", config)
    assert (found.source, found.read()) == ("s3://docs/a/one.md", b"One.")


def test_signs_in_a_key_are_signs(client: Any, config: SourcesConfig) -> None:
    keys = ["a/what?.md", "a/100%.md", "a/#1.md", "a/Grüße +.md"]
    put(client, **{key: key.encode() for key in keys})
    assert {item.read().decode() for item in items("s3://docs/a/", config)} == set(keys)
    for key in keys:
        (found,) = items(f"s3://docs/{key}", config)
        assert found.read().decode() == key


def test_a_long_list_comes_in_pages(
    client: Any, config: SourcesConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, **{f"{i}.txt": b"x" for i in range(9)}, **{"3.txt.meta.toml": b"year = 3"})
    with monkeypatch.context() as few:
        few.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")
        found = items("s3://docs", config)
    assert [item.name for item in found] == [f"{i}.txt" for i in range(9)]
    assert found[3].meta == {"year": 3}


def test_what_is_not_meant_is_skipped(client: Any, config: SourcesConfig) -> None:
    keys = ["a/", "a/.hidden.md", "a/b.exe", "a/c.zip", "a/d.md"]
    put(client, **dict.fromkeys(keys, b"x"))
    client.put_object(Bucket="docs", Key="a/e.md", Body=b"x", StorageClass="GLACIER")
    listing = Listing()
    assert [item.name for item in items("s3://docs/a", config, listing)] == ["d.md"]
    assert [reason for _, reason in listing.skipped] == [
        "hidden",
        "unknown format",
        "an archive: name it to have it looked into",
        "in cold storage: restore it first",
    ]


def test_metadata_beside_objects_describes_them(client: Any, config: SourcesConfig) -> None:
    put(
        client,
        **{
            "a/_meta.toml": b'groups = ["all"]',
            "a/Z.md": b"Z",  # listed before the folder's metadata
            "a/one.md": b"One.",
            "a/one.md-old.md": b"Old.",
            "a/one.md.meta.toml": b'groups = ["one"]',
        },
    )
    metas = {item.name: item.meta for item in items("s3://docs/a", config)}
    assert metas == {
        "Z.md": {"groups": ["all"]},
        "one.md": {"groups": ["one"]},
        "one.md-old.md": {"groups": ["all"]},
    }
    (alone,) = items("s3://docs/a/one.md", config)
    assert alone.meta == {"groups": ["one"]}


class Unsorted:
    """A client of a server that lists a sidecar behind where it belongs."""

    def get_paginator(self, _: str) -> Unsorted:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        keys = ["a.md", "c.md", "a.md.meta.toml"]
        return [{"Contents": [{"Key": key, "Size": 3} for key in keys]}]


def test_of_a_list_that_is_not_in_order_nothing_is_read(config: SourcesConfig) -> None:
    """Not even its beginning: who may see that is said further behind."""
    listing = Listing()
    assert list(Bucket("s3://docs", config)._below(Unsorted(), "docs", "", listing)) == []
    assert listing.unlisted[0][1] == "its objects are not listed in the order of their keys"


def test_an_archive_that_is_named_is_looked_into(client: Any, config: SourcesConfig) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.md", "One.")
    put(client, **{"a/docs.zip": packed.getvalue()})
    (found,) = items("s3://docs/a/docs.zip", config)
    assert (found.source, found.read()) == ("s3://docs/a/docs.zip/one.md", b"One.")


def test_an_object_that_goes_meanwhile_cannot_be_read(client: Any, config: SourcesConfig) -> None:
    put(client, **{"one.md": b"One."})
    (found,) = items("s3://docs", config)
    client.delete_object(Bucket="docs", Key="one.md")
    with pytest.raises(Unreadable, match="there is no such object"):
        found.read()


def test_an_object_that_is_too_large_is_not_read(client: Any, config: SourcesConfig) -> None:
    put(client, **{"one.txt": b"Line.\n" * 1_000})
    bucket = Bucket("s3://docs", config, limits=Limits(file=100))
    (found,) = bucket.items(Listing())
    with pytest.raises(Unreadable, match="too large: 6,000 bytes, the limit is 100 bytes"):
        found.read()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://none", "s3://none: there is no such bucket"),
        ("s3://docs/none.md", "s3://docs/none.md: there is no such object"),
        ("s3:///a.md", "No bucket is named"),
        ("s3://[", "s3://[: it is no URL"),
        ("s3://key:secret@docs/a", "s3://docs/a: credentials do not belong into a URL"),
    ],
)
def test_what_is_not_there_is_named(
    client: Any, config: SourcesConfig, url: str, reason: str
) -> None:
    with pytest.raises(BadSource) as refused:
        items(url, config)
    assert str(refused.value).startswith(reason)


def test_without_credentials_it_says_how_to_give_them(
    config: SourcesConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(BadSource, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        items("s3://docs", config)


def test_the_endpoint_may_stand_in_the_environment(
    client: Any, config: SourcesConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, **{"one.md": b"One."})
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", str(config.s3_endpoint))
    assert len(items("s3://docs", SourcesConfig(s3_region="us-east-1"))) == 1


def test_a_server_that_is_away_leaves_the_bucket_unlisted(config: SourcesConfig) -> None:
    away = config.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    listing = Listing()
    assert items("s3://docs", away, listing) == []
    assert listing.unlisted[0][1].startswith("the bucket cannot be asked")
