"""Against moto's S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.adapters.content import digest
from gateway.adapters.failures import BadAdapter, SourceAway
from gateway.adapters.sources.config import AdapterSourcesConfig
from gateway.adapters.sources.targets import source
from tests.gateway.adapters.made import adapter

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def config(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AdapterSourcesConfig:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return AdapterSourcesConfig(s3_endpoint=endpoint, s3_region="us-east-1", tries=2)


@pytest.fixture
def client(config: AdapterSourcesConfig) -> Iterator[Any]:
    """A client of a server with one empty bucket, `models`."""
    client = boto3.client("s3", endpoint_url=config.s3_endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="models")
    yield client
    for found in client.list_objects_v2(Bucket="models").get("Contents", ()):
        client.delete_object(Bucket="models", Key=found["Key"])
    client.delete_bucket(Bucket="models")
    client.close()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def put(client: Any, prefix: str, folder: Path) -> None:
    for each in folder.iterdir():
        client.put_object(Bucket="models", Key=prefix + each.name, Body=each.read_bytes())


def fetch(url: str, config: AdapterSourcesConfig, room: Path) -> str:
    return source(url, config, lambda _: None).fetch(room)


@pytest.mark.parametrize("url", ["s3://models/a/support", "s3://models/a/support/"])
def test_takes_what_lies_below_a_prefix(
    client: Any, config: AdapterSourcesConfig, room: Path, tmp_path: Path, url: str
) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "README.md").write_text("What it is.")
    put(client, "a/support/", folder)
    put(client, "a/support-2/", adapter(tmp_path / "b", lora_alpha=32))
    assert fetch(url, config, room) == "s3://models/a/support"
    assert digest(room) == digest(folder)
    assert sorted(each.name for each in room.iterdir()) == [CONFIG, WEIGHTS]


class Breaking:
    """A client whose bodies break off once."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.ranges: list[str | None] = []

    def list_objects_v2(self, **wanted: Any) -> Any:
        return self.client.list_objects_v2(**wanted)

    def get_object(self, **wanted: Any) -> dict[str, Any]:
        self.ranges.append(wanted.get("Range"))
        return {"Body": Body(self.client.get_object(**wanted)["Body"], "Range" not in wanted)}


class Body:
    def __init__(self, body: Any, breaks: bool) -> None:
        self.body = body
        self.breaks = breaks

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.body.close()

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        from botocore.exceptions import ReadTimeoutError

        yield self.body.read(100)
        if self.breaks:
            raise ReadTimeoutError(endpoint_url="s3")
        yield self.body.read()


def test_goes_on_where_it_broke_off(
    client: Any,
    config: AdapterSourcesConfig,
    room: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(client, "a/", adapter(tmp_path / "a"))
    breaking = Breaking(client)
    monkeypatch.setattr("gateway.adapters.sources.s3.connected", lambda _: breaking)
    fetch("s3://models/a", config, room)
    assert digest(room) == digest(tmp_path / "a")
    assert breaking.ranges == [None, "bytes=100-"] * 2


@pytest.mark.parametrize(
    ("url", "kind", "reason"),
    [
        ("s3://none/a", "not_found", "s3://none/a: there is no such bucket"),
        ("s3://models/none", "not_found", f"there is no {CONFIG}"),
        ("s3:///a", "invalid", "No bucket is named"),
        ("s3://key:secret@models/a", "invalid", "s3://models/a: credentials do not belong"),
    ],
)
def test_what_is_not_there_is_named(
    client: Any, config: AdapterSourcesConfig, room: Path, url: str, kind: str, reason: str
) -> None:
    with pytest.raises(BadAdapter) as refused:
        fetch(url, config, room)
    assert refused.value.kind == kind
    assert refused.value.reason.startswith(reason)


def test_pickled_weights_are_not_fetched(
    client: Any, config: AdapterSourcesConfig, room: Path, tmp_path: Path
) -> None:
    folder = adapter(tmp_path / "a")
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    put(client, "a/", folder)
    with pytest.raises(BadAdapter, match="insecure"):
        fetch("s3://models/a", config, room)
    assert list(room.iterdir()) == []


def test_what_is_too_large_is_not_fetched(
    client: Any, config: AdapterSourcesConfig, room: Path, tmp_path: Path
) -> None:
    put(client, "a/", adapter(tmp_path / "a"))
    with pytest.raises(BadAdapter, match="too large"):
        fetch("s3://models/a", config.model_copy(update={"max_bytes": 1_000}), room)


def test_a_server_that_is_away_may_come_back(config: AdapterSourcesConfig, room: Path) -> None:
    away = config.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(SourceAway, match="the bucket cannot be asked"):
        fetch("s3://models/a", away, room)
