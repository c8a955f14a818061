"""docker-compose.yml, the image and the configuration that it mounts, as far as files can tell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator

from cache.config import RedisStore
from gateway.accounts.config import RedisStore as RedisCounters
from gateway.config import Config, parse
from gateway.providers.config import VllmProvider
from retrieval.config import QdrantIndex

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MOUNTED = (ROOT / "deploy" / "moorline.compose.toml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
CHECKED_BY_ITS_IMAGE = {"gateway"}
NOBODY_ASKS = {"langfuse-worker"}


def default(value: str) -> str:
    """A value as it is where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def with_profiles() -> str:
    """The mounted configuration with every profile's lines uncommented."""
    return re.sub(r'^# (?=\[|\w+ = ["{\[])', "", MOUNTED, flags=re.M)


def mounted() -> Config:
    return parse(MOUNTED)


def host(url: str) -> str | None:
    return urlsplit(url).hostname


def test_it_holds_to_the_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="carries the schema of compose files")
    vendored = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text("utf-8"))
    errors = Draft202012Validator(schema).iter_errors(COMPOSE)
    assert [f"{each.json_path}: {each.message}" for each in errors] == []


def test_without_a_profile_it_is_the_gateway_and_its_stores() -> None:
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == {"gateway", "qdrant", "redis"}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_release(name: str) -> None:
    tag = default(SERVICES[name]["image"]).partition(":")[2]
    assert re.match(r"v?\d+\.\d+|RELEASE\.\d{4}-", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - CHECKED_BY_ITS_IMAGE - NOBODY_ASKS))
def test_a_service_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_starts_with_it(name: str) -> None:
    service = SERVICES[name]
    for needed, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[needed]
        assert SERVICES[needed].get("profiles") in (None, service.get("profiles"))


def test_volumes_are_declared_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    sources = {default(mount).split(":")[0] for mount in mounts}
    assert {each for each in sources if not each.startswith(".")} == set(COMPOSE["volumes"])


def test_what_the_gateway_mounts_from_here_exists() -> None:
    sources = {default(mount).split(":")[0] for mount in SERVICES["gateway"]["volumes"]}
    folders = {each for each in sources if each.startswith(".")}
    assert folders
    assert [each for each in folders if not (ROOT / each).exists()] == []


def test_the_mounted_configuration_names_services_of_the_file() -> None:
    config = mounted()
    index, store, counters = config.retrieval.index, config.cache.store, config.limits.store
    assert isinstance(index, QdrantIndex)
    assert isinstance(store, RedisStore)
    assert isinstance(counters, RedisCounters)
    assert host(index.url) == "qdrant"
    assert host(store.url.get_secret_value()) == "redis"
    assert host(counters.url.get_secret_value()) == "redis"


def test_the_gateway_listens_where_compose_publishes_it() -> None:
    server = mounted().server
    assert server.host == "0.0.0.0"
    assert SERVICES["gateway"]["ports"][0].endswith(f":{server.port}")


def test_the_lines_of_the_profiles_are_a_configuration_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"env:(\w+)", MOUNTED):
        assert name in SERVICES["gateway"]["environment"]
        monkeypatch.setenv(name, "set")
    config = parse(with_profiles())
    provider, langfuse = config.providers["gpu"], config.tracing.langfuse
    assert isinstance(provider, VllmProvider)
    assert langfuse
    assert f"--served-model-name={provider.models[0].name}" in SERVICES["vllm"]["command"]
    assert host(provider.addresses[0]) in SERVICES
    assert host(langfuse.base_url) in SERVICES


def test_what_the_image_copies_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M)
    sources = [source for line in copied for source in line.split()]
    assert {"gateway", "retrieval", "requirements/base.txt"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_image_installs_nothing_without_a_hash() -> None:
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert [each for each in installs if "-r " in each and "--require-hashes" not in each] == []
    assert [each for each in installs if "--no-deps" not in each] == []


def test_building_the_image_builds_the_encoder(tmp_path: Path) -> None:
    (program,) = re.findall(r"^RUN python - <<'EOF'\n(.*?)^EOF$", DOCKERFILE, re.M | re.S)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert list((tmp_path / ".moorline" / "models").glob("*.onnx"))


def test_the_image_does_not_run_as_root() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (?!root)\w+", final, re.M)


def test_the_image_says_whether_the_gateway_lives() -> None:
    assert re.search(r"^HEALTHCHECK .*\n?.*/healthz", DOCKERFILE, re.M)
