"""The providers' section: what it takes and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.providers import config
from gateway.providers.config import ProviderConfig
from retrieval.config import Section

ANY: TypeAdapter[ProviderConfig] = TypeAdapter(ProviderConfig)
MODELS = [{"name": "m"}]
URL = "http://host:8000/v1"


@pytest.mark.parametrize(
    "raw",
    [
        {"kind": "openai-compatible", "base_url": URL, "models": MODELS},
        {"kind": "vllm", "base_url": URL, "models": MODELS},
        {"kind": "litellm", "models": MODELS},
        {"kind": "simulated"},
        {"kind": "extractive"},
    ],
    ids=lambda raw: str(raw["kind"]),
)
def test_kind_picks_the_provider(raw: dict[str, Any]) -> None:
    assert ANY.validate_python(raw).kind == raw["kind"]


@pytest.mark.parametrize(
    "raw",
    [
        {"kind": "telepathy"},
        {"kind": "simulated", "speed": "fast"},
        {"kind": "openai-compatible", "base_url": URL, "models": []},
        {"kind": "openai-compatible", "base_url": "host:8000", "models": MODELS},
        {"kind": "openai-compatible", "base_url": URL, "models": MODELS, "idle_timeout": 0},
        {"kind": "openai-compatible", "base_url": [URL], "models": MODELS},
        {"kind": "vllm", "base_url": [], "models": MODELS},
        {"kind": "vllm", "base_url": [URL, f"{URL}/"], "models": MODELS},
        {"kind": "vllm", "base_url": [URL, "host:1"], "models": MODELS},
        {"kind": "vllm", "base_url": [URL, "http://b/v1"], "embeddings": MODELS},
        {"kind": "vllm", "base_url": URL, "models": MODELS, "lora": {"base": "other"}},
        {"kind": "vllm", "base_url": URL, "embeddings": MODELS, "lora": {}},
        {"kind": "vllm", "base_url": URL, "models": MODELS, "lora": {"slots": 4, "cpu_slots": 2}},
    ],
    ids=[
        "unknown kind",
        "unknown key",
        "no models",
        "no URL",
        "no time",
        "replicas of what is not ours",
        "no address",
        "an address twice",
        "no URL among several",
        "embeddings of replicas",
        "a base that is not served",
        "adapters of no model",
        "less memory than slots",
    ],
)
def test_nonsense_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ANY.validate_python(raw)


def test_a_slash_at_the_end_of_the_url_does_not_matter() -> None:
    raw = {"kind": "vllm", "base_url": f"{URL}/", "models": MODELS}
    provider = ANY.validate_python(raw)
    assert isinstance(provider, config.VllmProvider)
    assert provider.base_url == URL


def test_a_vllm_server_may_have_replicas() -> None:
    urls = (URL, "http://other:8000/v1")
    one = config.VllmProvider(kind="vllm", base_url=URL, models=(config.ModelConfig(name="m"),))
    two = one.model_copy(update={"base_url": urls})
    assert (one.addresses, two.addresses) == ((URL,), urls)


@pytest.mark.parametrize(("lora", "base"), [({}, "m"), ({"base": "n"}, "n")])
def test_adapters_change_the_first_model_unless_another_is_named(
    lora: dict[str, Any], base: str
) -> None:
    models = [*MODELS, {"name": "n"}]
    raw = {"kind": "vllm", "base_url": URL, "models": models, "lora": lora}
    provider = ANY.validate_python(raw)
    assert isinstance(provider, config.VllmProvider)
    assert provider.base is not None
    assert provider.base.name == base


def test_no_secret_is_printed() -> None:
    raw = {
        "kind": "litellm",
        "models": MODELS,
        "api_key": "very-secret",
        "options": {"aws_secret_access_key": "very-secret"},
    }
    provider = ANY.validate_python(raw)
    assert "very-secret" not in f"{provider!r} {provider.model_dump_json()}"


SECTIONS = [each for each in vars(config).values() if isinstance(each, type)]


@pytest.mark.parametrize(
    "section",
    [each for each in SECTIONS if issubclass(each, Section) and each is not Section],
    ids=lambda section: str(section.__name__),
)
def test_every_field_is_described(section: type[BaseModel]) -> None:
    plain = [n for n, f in section.model_fields.items() if not f.description and n != "kind"]
    assert not plain
