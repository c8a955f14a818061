"""What tokens cost, by the list and by the configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.providers.config import (
    LiteLlmProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
)
from gateway.providers.listing import bundled
from gateway.providers.price import Price
from gateway.providers.prices import Prices
from gateway.types import Parts, Usage

MILLION = Usage(prompt=1_000_000, completion=1_000_000)
LISTED: dict[str, dict[str, Any]] = {
    "gpt-x": {
        "input_cost_per_token": 2e-6,
        "output_cost_per_token": 8e-6,
        "cache_read_input_token_cost": 5e-7,
    },
    "cloud/thinker": {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 4e-6,
        "output_cost_per_reasoning_token": 6e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6,
        "output_cost_per_token_above_200k_tokens": 9e-6,
    },
    "painter": {"output_cost_per_image": 0.04},
}
for entry in LISTED.values():
    entry["litellm_provider"] = "somebody"


def prices(tmp_path: Path, **settings: Any) -> Prices:
    file = tmp_path / "prices.json"
    file.write_bytes(orjson.dumps(LISTED))
    models = (
        ModelConfig(name="gpt-x", **settings),
        ModelConfig(name="painter"),
        ModelConfig(name="own"),
    )
    providers: dict[str, ProviderConfig] = {
        "openai": OpenAICompatibleProvider(
            kind="openai-compatible", base_url="http://host/v1", models=models
        ),
        "cloud": LiteLlmProvider(kind="litellm", models=(ModelConfig(name="cloud/thinker"),)),
        "sim": SimulatedProvider(kind="simulated"),
    }
    return Prices(providers, file)


def test_a_listed_model(tmp_path: Path) -> None:
    assert prices(tmp_path).cost("openai/gpt-x", MILLION) == pytest.approx(10)


def test_a_model_may_be_named_without_its_provider(tmp_path: Path) -> None:
    assert prices(tmp_path).cost("gpt-x", MILLION) == pytest.approx(10)


def test_cached_tokens_are_billed_once_and_at_their_own_price(tmp_path: Path) -> None:
    usage = Usage(prompt=1_000_000, completion=0, cached=400_000)
    assert prices(tmp_path).cost("openai/gpt-x", usage) == pytest.approx(0.6 * 2 + 0.4 * 0.5)


def test_reasoning_tokens_are_part_of_the_completion(tmp_path: Path) -> None:
    usage = Usage(prompt=0, completion=1_000_000, reasoning=250_000)
    subject = prices(tmp_path)
    assert subject.cost("cloud/cloud/thinker", usage) == pytest.approx(0.75 * 4 + 0.25 * 6)
    assert subject.cost("openai/gpt-x", usage) == pytest.approx(8)


@pytest.mark.parametrize(("prompt", "paid"), [(200_000, 0.2), (200_001, 0.400002)])
def test_a_long_prompt_has_another_price(tmp_path: Path, prompt: int, paid: float) -> None:
    assert prices(tmp_path).cost("cloud/cloud/thinker", Usage(prompt)) == pytest.approx(paid)


def test_a_configured_price_comes_before_the_list(tmp_path: Path) -> None:
    subject = prices(tmp_path, input_usd_per_million=1)
    assert subject.cost("openai/gpt-x", MILLION) == pytest.approx(1 + 8)
    cached = Usage(prompt=1_000_000, cached=1_000_000)
    assert subject.cost("openai/gpt-x", cached) == pytest.approx(1)


def test_a_configured_price_for_cached_tokens(tmp_path: Path) -> None:
    subject = prices(tmp_path, input_usd_per_million=4, cached_input_usd_per_million=1)
    cached = Usage(prompt=1_000_000, cached=500_000)
    assert subject.cost("openai/gpt-x", cached) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("reasoning", Usage(completion=10, reasoning=10)),
        ("cache_write", Usage(prompt=10, parts=Parts(cache_written=10))),
        (
            "cache_write_1h",
            Usage(prompt=10, parts=Parts(cache_written=10, cache_written_1h=10)),
        ),
        ("cached_audio", Usage(prompt=10, cached=10, parts=Parts(cached_audio=10))),
        ("audio_input", Usage(prompt=10, parts=Parts(audio_in=10))),
        ("audio_output", Usage(completion=10, parts=Parts(audio_out=10))),
        ("image_input", Usage(prompt=10, parts=Parts(image_in=10))),
        ("image_output", Usage(completion=10, parts=Parts(image_out=10))),
    ],
)
def test_a_configured_price_for_special_tokens(tmp_path: Path, name: str, usage: Usage) -> None:
    subject = prices(tmp_path, prices={name: 30})
    assert subject.cost("openai/gpt-x", usage) == pytest.approx(10 * 30e-6)


def test_configured_prices_by_the_piece(tmp_path: Path) -> None:
    subject = prices(tmp_path, prices={"image": 0.5, "search": 0.25, "request": 1})
    usage = Usage(parts=Parts(images=2, searches=3))
    assert subject.cost("openai/gpt-x", usage) == pytest.approx(1 + 2 * 0.5 + 3 * 0.25)


def test_what_the_provider_charges_comes_before_the_list(tmp_path: Path) -> None:
    usage = Usage(prompt=1000, parts=Parts(billed_usd=0.125))
    assert prices(tmp_path).cost("openai/gpt-x", usage) == 0.125
    assert prices(tmp_path).cost("openai/own", usage) == 0.125


def test_what_the_provider_charges_comes_after_the_configuration(tmp_path: Path) -> None:
    usage = Usage(prompt=1_000_000, parts=Parts(billed_usd=0.125))
    subject = prices(tmp_path, input_usd_per_million=3)
    assert subject.cost("openai/gpt-x", usage) == pytest.approx(3)
    assert subject.cost("sim/simulated", usage) == 0
    assert subject.cost("nobody/knows", usage) == 0


def test_all_that_the_list_says_of_a_model_can_be_had(tmp_path: Path) -> None:
    assert prices(tmp_path).listed("openai/painter") == LISTED["painter"]
    assert prices(tmp_path).listed("openai/own") is None


@pytest.mark.parametrize("model", ["openai/own", "openai/painter", "nobody/knows", ""])
def test_what_nobody_knows_costs_nothing_and_says_so(tmp_path: Path, model: str) -> None:
    subject = prices(tmp_path)
    assert subject.cost(model, MILLION) == 0
    assert not subject.known(model)


def test_ones_own_machine_is_known_to_be_free(tmp_path: Path) -> None:
    subject = prices(tmp_path)
    assert subject.cost("sim/simulated", MILLION) == 0
    assert subject.known("sim/simulated")


def test_more_cached_than_prompt_is_not_paid_back() -> None:
    assert Price(input=1.0, cached=0.5).of(Usage(prompt=2, cached=9)) == 1.0


def test_the_list_is_litellms_and_litellm_is_not_imported() -> None:
    if bundled() is None:
        pytest.skip("litellm is not installed, so there is no list")
    code = (
        "import sys, asyncio; from gateway.providers.prices import Prices;"
        "from gateway.providers.config import *;"
        "m = (ModelConfig(name='gpt-4o'),);"
        "p = Prices({'o': OpenAICompatibleProvider("
        "kind='openai-compatible', base_url='http://h/v1', models=m)});"
        "asyncio.run(p.load()); assert p.known('o/gpt-4o'); assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
