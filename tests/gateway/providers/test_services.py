"""Known services: every row can be configured by its name alone, and can be overridden."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.providers.config import OpenAICompatibleProvider
from gateway.providers.listing import bundled, names
from gateway.providers.prices import Prices, free
from gateway.providers.services import SERVICES
from gateway.providers.wire.client import Endpoint
from gateway.types import Usage

LOCAL = {"docker-model-runner", "jan", "llama.cpp", "llamafile", "lm-studio", "localai"}
LOCAL |= {"mlx-lm", "ollama", "sglang", "tgi"}

each_service = pytest.mark.parametrize("name", SERVICES)


def configured(name: str, model: str = "m", **settings: Any) -> OpenAICompatibleProvider:
    raw = {"kind": "openai-compatible", "service": name, "models": [{"name": model}], **settings}
    return OpenAICompatibleProvider.model_validate(raw)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in SERVICES.values():
        if service.key:
            monkeypatch.setenv(service.key, f"value of {service.key}")


@each_service
def test_a_name_is_enough(name: str) -> None:
    provider, service = configured(name), SERVICES[name]
    assert provider.base_url == service.base_url
    assert provider.stream_usage is service.stream_usage
    assert provider.output_limit == service.output_limit
    key = provider.api_key.get_secret_value() if provider.api_key else ""
    assert key == (f"value of {service.key}" if service.key else "")


@each_service
def test_clouds_are_reached_safely_and_ones_own_servers_on_this_machine(name: str) -> None:
    service = SERVICES[name]
    endpoint = Endpoint.of("POST", f"{service.base_url}/chat/completions")
    if name in LOCAL:
        assert (endpoint.origin.host, service.key) == ("127.0.0.1", "")
    else:
        assert service.base_url.startswith("https://")
        assert service.key


@each_service
def test_only_ones_own_servers_are_free(name: str) -> None:
    assert free(configured(name)) == (name in LOCAL)


@each_service
def test_what_is_configured_comes_before_the_row(name: str) -> None:
    own: dict[str, Any] = {"base_url": "http://proxy:1/v1", "api_key": "own", "stream_usage": False}
    provider = configured(name, **own, output_limit=None)
    assert provider.base_url == own["base_url"]
    assert provider.api_key
    assert provider.api_key.get_secret_value() == "own"
    assert not provider.stream_usage
    assert provider.output_limit is None


def test_a_cloud_without_a_key_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "")  # as compose files leave it where nobody set it
    with pytest.raises(ValidationError, match="GROQ_API_KEY"):
        configured("groq")
    monkeypatch.delenv("GROQ_API_KEY")
    with pytest.raises(ValidationError, match="GROQ_API_KEY"):
        configured("groq")


def test_an_unknown_service_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValidationError, match=r"known are .*groq"):
        configured("gorq")


def test_a_services_models_are_looked_up_under_its_own_name_in_the_list() -> None:
    provider = configured("groq", "llama")
    assert [name for name, _ in names(provider, provider.models[0])] == ["groq/llama", "llama"]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - LOCAL - {"huggingface", "openrouter"}))
def test_the_list_has_models_under_each_services_name(name: str) -> None:
    file = bundled()
    if file is None:
        pytest.skip("litellm is not installed, so there is no list")
    assert f'"{SERVICES[name].listed}' in file.read_text(encoding="utf-8")


def test_a_local_servers_model_costs_nothing_whatever_the_list_says_of_its_name() -> None:
    prices = Prices({"own": configured("ollama", "gpt-4o")})
    assert prices.known("own/gpt-4o")
    assert prices.cost("own/gpt-4o", Usage(prompt=1000, completion=1000)) == 0
