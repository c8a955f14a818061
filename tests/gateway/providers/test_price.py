"""What answers cost: usage as clouds report it, prices as they list them, dollars by hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import pytest

from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.providers.listing import bundled
from gateway.providers.litellm import LiteLLM
from gateway.providers.price import Price, listed_price
from gateway.providers.prices import Prices
from gateway.providers.usage import counted
from gateway.types import Parts, Usage

M = 1e-6


class Case(NamedTuple):
    """An answer's usage as its cloud tells it, and what it costs. `oracle` is False where litellm,
    asked for the same, is wrong or does not say, for the reason beside it."""

    model: str
    told: dict[str, Any]
    usd: float
    oracle: bool = True
    tier: str = ""


def openai(prompt: int, completion: int, **details: Any) -> dict[str, Any]:
    """OpenAI's shape; what begins with `said_` is of the completion."""
    said = {k.removeprefix("said_"): v for k, v in details.items() if k.startswith("said_")}
    read = {k: v for k, v in details.items() if not k.startswith("said_")}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": read,
        "completion_tokens_details": said,
    }


def claude(new: int, said: int, read: int = 0, written: int = 0, hour: int = 0) -> dict[str, Any]:
    """Anthropic's shape: what the cache took or gave is not in `input_tokens`."""
    return {
        "input_tokens": new,
        "output_tokens": said,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - hour,
            "ephemeral_1h_input_tokens": hour,
        },
    }


def gemini(prompt: int, said: int, thoughts: int = 0, **more: Any) -> dict[str, Any]:
    """Google's shape: thoughts beside what was said."""
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": said,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + said + thoughts,
        **more,
    }


def kinds(**tokens: int) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in tokens.items()]


CLAUDE = "anthropic/claude-sonnet-4-5"
BEDROCK = "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"
PRO, FLASH = "gemini/gemini-2.5-pro", "gemini/gemini-2.5-flash"
GROK, QWEN = "xai/grok-4.3", "dashscope/qwen-flash"
GEMINI_3_IMAGE = "gemini/gemini-3-pro-image"

CASES = {
    "plain": Case("gpt-4o", openai(1000, 100), 1000 * 2.5 * M + 100 * 10 * M),
    "cached": Case(
        "gpt-4o",
        openai(2000, 100, cached_tokens=1024),
        976 * 2.5 * M + 1024 * 1.25 * M + 100 * 10 * M,
    ),
    "all cached": Case("gpt-4o", openai(1024, 0, cached_tokens=1024), 1024 * 1.25 * M),
    "reasoning is output": Case(
        "o4-mini",
        openai(100, 900, said_reasoning_tokens=800),
        100 * 1.1 * M + 900 * 4.4 * M,
    ),
    "cached and reasoning": Case(
        "o1",
        openai(4000, 900, cached_tokens=3000, said_reasoning_tokens=800),
        1000 * 15 * M + 3000 * 7.5 * M + 900 * 60 * M,
    ),
    "flex": Case("o4-mini", openai(1000, 100), 1000 * 0.55 * M + 100 * 2.2 * M, tier="flex"),
    "priority": Case(
        "gpt-4o",
        openai(1000, 100, cached_tokens=500),
        500 * 4.25 * M + 500 * 2.125 * M + 100 * 17 * M,
        tier="priority",
    ),
    "the default tier": Case(
        "gpt-4o", openai(1000, 100), 1000 * 2.5 * M + 100 * 10 * M, tier="default"
    ),
    "above 272k": Case(
        "gpt-5.4",
        openai(300_000, 1000, cached_tokens=100_000),
        200_000 * 5 * M + 100_000 * 0.5 * M + 1000 * 22.5 * M,
    ),
    "audio": Case(
        "gpt-audio",
        openai(500, 400, audio_tokens=300, said_audio_tokens=350),
        200 * 2.5 * M + 300 * 32 * M + 50 * 10 * M + 350 * 64 * M,
    ),
    "Responses": Case(
        "gpt-4o",
        {
            "input_tokens": 2000,
            "input_tokens_details": {"cached_tokens": 1000},
            "output_tokens": 100,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2100,
        },
        1000 * 2.5 * M + 1000 * 1.25 * M + 100 * 10 * M,
    ),
    "Claude": Case(CLAUDE, claude(100, 50), 100 * 3 * M + 50 * 15 * M),
    "Claude reads its cache": Case(
        CLAUDE, claude(100, 50, read=5000), 100 * 3 * M + 5000 * 0.3 * M + 50 * 15 * M
    ),
    "Claude writes its cache": Case(
        CLAUDE, claude(100, 50, written=5000), 100 * 3 * M + 5000 * 3.75 * M + 50 * 15 * M
    ),
    "Claude writes its cache for an hour": Case(
        CLAUDE,
        claude(100, 50, read=800, written=5000, hour=2000),
        100 * 3 * M + 800 * 0.3 * M + 3000 * 3.75 * M + 2000 * 6 * M + 50 * 15 * M,
    ),
    "Claude searches the web": Case(
        CLAUDE,
        claude(100, 50) | {"server_tool_use": {"web_search_requests": 3}},
        100 * 3 * M + 50 * 15 * M + 3 * 0.01,
        oracle=False,  # cost_per_token knows no searches
    ),
    "Bedrock reads and writes its cache": Case(
        BEDROCK,
        claude(100, 50, read=1000, written=2000),
        100 * 3 * M + 1000 * 0.3 * M + 2000 * 3.75 * M + 50 * 15 * M,
    ),
    "Bedrock above 200k": Case(
        BEDROCK,
        claude(1000, 500, read=200_000, written=1000, hour=1000),
        1000 * 6 * M + 200_000 * 0.6 * M + 1000 * 12 * M + 500 * 22.5 * M,
    ),
    "Bedrock by a profile": Case(
        "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        claude(1000, 100),
        1000 * 3.3 * M + 100 * 16.5 * M,
    ),
    "Nova": Case(
        "bedrock/amazon.nova-pro-v1:0",
        openai(1000, 100, cached_tokens=400),
        600 * 0.8 * M + 400 * 0.2 * M + 100 * 3.2 * M,
    ),
    "Gemini thinks": Case(PRO, gemini(1000, 100, 900), 1000 * 1.25 * M + 1000 * 10 * M),
    "Gemini above 200k": Case(
        PRO,
        gemini(200_001, 100, 900, cachedContentTokenCount=100_000),
        100_001 * 2.5 * M + 100_000 * 0.25 * M + 1000 * 15 * M,
    ),
    "Gemini at 200k": Case(PRO, gemini(200_000, 100), 200_000 * 1.25 * M + 100 * 10 * M),
    "Gemini hears": Case(
        FLASH,
        gemini(1000, 100, promptTokensDetails=kinds(TEXT=200, AUDIO=800)),
        200 * 0.3 * M + 800 * 1 * M + 100 * 2.5 * M,
    ),
    "Gemini hears what its cache holds": Case(
        FLASH,
        gemini(
            1000,
            100,
            cachedContentTokenCount=600,
            cacheTokensDetails=kinds(AUDIO=500, TEXT=100),
            promptTokensDetails=kinds(TEXT=200, AUDIO=800),
        ),
        100 * 0.3 * M + 100 * 0.03 * M + 300 * 1 * M + 500 * 0.1 * M + 100 * 2.5 * M,
        oracle=False,  # bills cached audio as cached text
    ),
    "Gemini in flex": Case(
        FLASH,
        gemini(1000, 100, 300, trafficType="ON_DEMAND_FLEX"),
        1000 * 0.15 * M + 400 * 1.25 * M,
    ),
    "Gemini with priority": Case(
        PRO,
        gemini(200_001, 100, trafficType="ON_DEMAND_PRIORITY"),
        200_001 * 4.5 * M + 100 * 27 * M,
    ),
    "Gemini paints": Case(
        GEMINI_3_IMAGE,
        gemini(
            600,
            1220,
            promptTokensDetails=kinds(TEXT=40, IMAGE=560),
            candidatesTokensDetails=kinds(TEXT=100, IMAGE=1120),
        ),
        600 * 2 * M + 100 * 12 * M + 1120 * 120 * M,
    ),
    "Gemini searches the web, billed by the prompt": Case(
        PRO,
        openai(1000, 100, web_search_requests=3),
        1000 * 1.25 * M + 100 * 10 * M + 0.035,
        oracle=False,  # cost_per_token knows no searches
    ),
    "Gemini 3 searches the web, billed by the search": Case(
        GEMINI_3_IMAGE,
        openai(1000, 100, web_search_requests=3),
        1000 * 2 * M + 100 * 12 * M + 3 * 0.014,
        oracle=False,  # cost_per_token knows no searches
    ),
    "Vertex": Case(
        "vertex_ai/gemini-2.5-pro", gemini(1000, 50, 50), 1000 * 1.25 * M + 100 * 10 * M
    ),
    "Claude on Vertex above 200k": Case(
        "vertex_ai/claude-sonnet-4-5@20250929",
        claude(150_000, 100, read=60_000),
        150_000 * 6 * M + 60_000 * 0.6 * M + 100 * 22.5 * M,
    ),
    "Azure": Case(
        "azure/gpt-4o",
        openai(1000, 100, cached_tokens=500),
        500 * 2.5 * M + 500 * 1.25 * M + 100 * 10 * M,
    ),
    "Azure in Europe": Case(
        "azure/eu/gpt-4o-2024-08-06", openai(1000, 100), 1000 * 2.75 * M + 100 * 11 * M
    ),
    "DeepSeek hit and miss": Case(
        "deepseek/deepseek-chat",
        {
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "prompt_cache_hit_tokens": 640,
            "prompt_cache_miss_tokens": 360,
        },
        360 * 0.28 * M + 640 * 0.028 * M + 100 * 0.42 * M,
    ),
    "Grok thinks beside its completion": Case(
        GROK,
        openai(1000, 100, said_reasoning_tokens=700) | {"total_tokens": 1800},
        1000 * 1.25 * M + 800 * 2.5 * M,
    ),
    "Grok above 200k": Case(
        GROK,
        openai(250_000, 100, cached_tokens=50_000),
        200_000 * 2.5 * M + 50_000 * 0.4 * M + 100 * 5 * M,
    ),
    "Grok says what it charges": Case(
        GROK, openai(1000, 100) | {"cost_in_usd_ticks": 37_756_000}, 0.0037756, oracle=False
    ),
    "Groq": Case(
        "groq/openai/gpt-oss-120b",
        openai(1000, 100, cached_tokens=200),
        800 * 0.15 * M + 200 * 0.075 * M + 100 * 0.6 * M,
    ),
    "Mistral": Case("mistral/mistral-medium-3", openai(1000, 100), 1000 * 1.5 * M + 100 * 7.5 * M),
    "Qwen's first step": Case(QWEN, openai(256_000, 100), 256_000 * 0.05 * M + 100 * 0.4 * M),
    "Qwen's second step": Case(QWEN, openai(256_001, 100), 256_001 * 0.25 * M + 100 * 2 * M),
    "Perplexity says what it charges": Case(
        "perplexity/sonar-pro",
        openai(20, 500) | {"cost": {"total_cost": 0.01356}},
        0.01356,
        oracle=False,
    ),
    "Perplexity by the request": Case(
        "perplexity/pplx-7b-online",
        openai(20, 500),
        500 * 0.28 * M + 0.005,
        oracle=False,  # forgets the request
    ),
    "OpenRouter says what it charges": Case(
        "openrouter/somebody/something", openai(20, 500) | {"cost": 0.00042}, 0.00042, oracle=False
    ),
    "an embedding": Case(
        "text-embedding-3-small",
        {"prompt_tokens": 8000, "total_tokens": 8000},
        8000 * 0.02 * M,
    ),
    "an embedding by Mistral": Case(
        "mistral/mistral-embed-2312", {"prompt_tokens": 500, "total_tokens": 500}, 500 * 0.1 * M
    ),
    "an embedding of an image": Case(
        "cohere/embed-v4.0",
        {
            "prompt_tokens": 500,
            "total_tokens": 500,
            "prompt_tokens_details": {"image_tokens": 400},
        },
        100 * 0.12 * M + 400 * 0.47 * M,
    ),
    "an embedding of two images, paid by the piece": Case(
        "vertex_ai/multimodalembedding@001",
        {"prompt_tokens": 0, "prompt_tokens_details": {"image_count": 2}},
        2 * 0.0001,
    ),
}


@pytest.fixture(scope="module")
def prices() -> Prices:
    if bundled() is None:
        pytest.skip("litellm is not installed, so there is no list")
    models = {case.model for case in CASES.values()}
    config = LiteLlmProvider(kind="litellm", models=tuple(ModelConfig(name=m) for m in models))
    return Prices({"cloud": config})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_token_is_paid_once_at_its_own_price(prices: Prices, case: Case) -> None:
    usage = counted(case.told, case.tier)
    assert prices.cost(f"cloud/{case.model}", usage) == pytest.approx(case.usd, rel=1e-9)


@pytest.fixture(scope="module")
def litellm() -> Any:
    if bundled() is None:
        pytest.skip("litellm is not installed")
    LiteLLM(LiteLlmProvider(kind="litellm", models=(ModelConfig(name="m"),)))  # imports it quietly
    return import_module("litellm")


AGREED = {name: case for name, case in CASES.items() if case.oracle}


@pytest.mark.parametrize("case", AGREED.values(), ids=AGREED)
def test_litellm_reckons_the_same(litellm: Any, case: Case) -> None:
    told = case.told
    tier = (case.tier or told.get("trafficType", "").removeprefix("ON_DEMAND_").lower()) or None
    paid = litellm.cost_per_token(
        model=case.model,
        usage_object=_its_usage(litellm, told),
        service_tier=None if tier == "default" else tier,
    )
    assert sum(paid) == pytest.approx(case.usd, rel=1e-9)


def _its_usage(litellm: Any, told: dict[str, Any]) -> Any:
    if "promptTokenCount" in told:
        config = litellm.VertexGeminiConfig
        return config._calculate_usage(completion_response={"usageMetadata": told})
    if "cache_creation" in told:
        return litellm.AnthropicConfig().calculate_usage(usage_object=told, reasoning_content=None)
    if "input_tokens" in told:
        responses = import_module("litellm.responses.utils").ResponseAPILoggingUtils
        return responses._transform_response_api_usage_to_chat_usage(told)
    return litellm.Usage(**told)


def test_parts_that_overlap_are_paid_once() -> None:
    price = Price(input=1.0, cached=0.1, image_in=3.0)
    usage = Usage(prompt=100, cached=90, parts=Parts(image_in=80))
    assert price.of(usage) == pytest.approx(90 * 0.1 + 10 * 3.0)


def test_more_parts_than_tokens_are_not_paid_back() -> None:
    price = Price(input=1.0, output=2.0, written=5.0)
    usage = Usage(prompt=1, completion=1, cached=3, reasoning=7, parts=Parts(cache_written=9))
    assert price.of(usage) == pytest.approx(3.0)


def test_what_is_not_listed_for_a_tier_rises_as_its_kind_does() -> None:
    entry = {
        "litellm_provider": "somebody",
        "input_cost_per_token": 1.0,
        "input_cost_per_token_above_200k_tokens": 2.0,
        "input_cost_per_audio_token": 3.0,
        "output_cost_per_token": 4.0,
        "output_cost_per_token_flex": 1.0,
        "output_cost_per_reasoning_token": 8.0,
    }
    price = listed_price(entry)
    assert price
    assert price.tiers[0][1].audio_in == 6.0
    assert price.served["flex"].reasoning == 2.0
