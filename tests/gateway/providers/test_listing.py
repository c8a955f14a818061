"""Of the price list the configured models' entries are kept, by whatever name it lists them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from gateway.providers.config import (
    LiteLlmProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
)
from gateway.providers.listing import Entry, bundled, listed

LISTED = {
    "sample": {"note": 'not "gpt-4o": {} but text'},
    "gpt-4o": {
        "litellm_provider": "openai",
        "costs": {"gpt-5": {"low": 1}},
        "supports_vision": True,
    },
    "claude-x": {"litellm_provider": "anthropic"},
    "anthropic.claude-x-v1:0": {"litellm_provider": "bedrock_converse"},
    "bedrock/eu-west-1/anthropic.claude-x-v1:0": {"litellm_provider": "bedrock", "dear": True},
    "gemini-x": {"litellm_provider": "vertex_ai-language-models"},
    "gemini/gemini-x": {"litellm_provider": "gemini"},
}


def one(file: Path, name: str, **options: str) -> Entry | None:
    provider = LiteLlmProvider(
        kind="litellm",
        models=(ModelConfig(name=name),),
        options={key: SecretStr(value) for key, value in options.items()},
    )
    return listed({"cloud": provider}, file).get(f"cloud/{name}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "list.json"
    path.write_bytes(orjson.dumps(LISTED, option=orjson.OPT_INDENT_2))
    return path


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gpt-4o", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("anthropic/claude-x", "claude-x"),
        ("bedrock/anthropic.claude-x-v1:0", "anthropic.claude-x-v1:0"),
        ("bedrock/converse/us.anthropic.claude-x-v1:0", "anthropic.claude-x-v1:0"),
        (
            "bedrock/eu-west-1/anthropic.claude-x-v1:0",
            "bedrock/eu-west-1/anthropic.claude-x-v1:0",
        ),
        ("vertex_ai/gemini-x", "gemini-x"),
        ("gemini/gemini-x", "gemini/gemini-x"),
    ],
)
def test_a_model_is_found_by_the_name_that_the_list_has_for_it(
    file: Path, name: str, key: str
) -> None:
    assert one(file, name) == LISTED[key]


def test_a_region_has_prices_of_its_own(file: Path) -> None:
    entry = one(file, "bedrock/anthropic.claude-x-v1:0", aws_region_name="eu-west-1")
    assert entry
    assert entry["dear"]


@pytest.mark.parametrize("name", ["azure/gpt-4o", "gpt-5", "sample", "mistral/claude-x"])
def test_another_clouds_model_of_the_same_name_is_not_taken_for_it(file: Path, name: str) -> None:
    assert one(file, name) is None


def test_only_the_configured_models_are_kept(file: Path) -> None:
    providers: dict[str, ProviderConfig] = {
        "a": OpenAICompatibleProvider(
            kind="openai-compatible",
            base_url="http://host/v1",
            models=(ModelConfig(name="gpt-4o"),),
        ),
        "b": SimulatedProvider(kind="simulated"),
    }
    assert listed(providers, file) == {"a/gpt-4o": LISTED["gpt-4o"]}


def test_without_models_that_cost_money_the_list_is_not_read(tmp_path: Path) -> None:
    assert listed({"sim": SimulatedProvider(kind="simulated")}, tmp_path / "none") == {}


def test_picking_finds_what_parsing_finds() -> None:
    path = bundled()
    if path is None:
        pytest.skip("litellm is not installed, so there is no list")
    whole = orjson.loads(path.read_bytes())
    models = [name for name, entry in whole.items() if "litellm_provider" in entry]
    provider = OpenAICompatibleProvider(
        kind="openai-compatible",
        base_url="http://host/v1",
        models=tuple(ModelConfig(name=name) for name in models),
    )
    assert listed({"all": provider}) == {f"all/{name}": whole[name] for name in models}
