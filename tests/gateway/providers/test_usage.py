"""Token counts, in every shape that clouds tell them in."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.providers.usage import counted
from gateway.types import Parts, Usage

OPENAI = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (OPENAI, Usage(10, 4)),
        (
            OPENAI
            | {
                "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
            },
            Usage(10, 4, cached=8, reasoning=3),
        ),
        (
            OPENAI
            | {
                "prompt_tokens_details": {
                    "cached_tokens": 5,
                    "cached_tokens_details": {"audio_tokens": 2},
                    "audio_tokens": 3,
                    "image_tokens": 2,
                },
                "completion_tokens_details": {"audio_tokens": 1, "image_tokens": 2},
            },
            Usage(
                10,
                4,
                cached=5,
                parts=Parts(cached_audio=2, audio_in=3, image_in=2, audio_out=1, image_out=2),
            ),
        ),
        (OPENAI | {"prompt_cache_hit_tokens": 6}, Usage(10, 4, cached=6)),
        (OPENAI | {"total_tokens": 20}, Usage(10, 10, reasoning=6)),
        (
            OPENAI | {"prompt_tokens_details": {"cache_write_tokens": 7}, "cost": 0.25},
            Usage(10, 4, parts=Parts(cache_written=7, billed_usd=0.25)),
        ),
        (
            OPENAI
            | {
                "cache_creation_input_tokens": 7,
                "cache_read_input_tokens": 2,
                "prompt_tokens_details": {
                    "cached_tokens": 2,
                    "cache_creation_tokens": 7,
                    "cache_creation_token_details": {"ephemeral_1h_input_tokens": 4},
                },
            },
            Usage(10, 4, cached=2, parts=Parts(cache_written=7, cache_written_1h=4)),
        ),
        (
            {
                "input_tokens": 10,
                "output_tokens": 4,
                "input_tokens_details": {"cached_tokens": 3},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(10, 4, cached=3, reasoning=2),
        ),
        (
            {
                "input_tokens": 10,
                "output_tokens": 4,
                "cache_read_input_tokens": 20,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_1h_input_tokens": 25},
                "server_tool_use": {"web_search_requests": 2},
                "service_tier": "standard",
            },
            Usage(
                60,
                4,
                cached=20,
                parts=Parts(cache_written=30, cache_written_1h=25, searches=2),
            ),
        ),
        (
            {
                "promptTokenCount": 10,
                "toolUsePromptTokenCount": 2,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 5,
                "cachedContentTokenCount": 6,
                "trafficType": "ON_DEMAND",
            },
            Usage(12, 9, cached=6, reasoning=5),
        ),
    ],
    ids=[
        *("OpenAI", "details", "audio and images", "DeepSeek", "xAI", "OpenRouter", "litellm"),
        *("Responses", "Anthropic", "Gemini"),
    ],
)
def test_shapes(told: dict[str, Any], expected: Usage) -> None:
    assert counted(told) == expected


@pytest.mark.parametrize(
    ("told", "tier"),
    [("flex", "flex"), ("default", ""), ("auto", ""), (None, ""), (["flex"], "")],
)
def test_the_tier_of_service_comes_from_the_answers_top_level(told: object, tier: str) -> None:
    parts = counted(OPENAI, told).parts
    assert (parts.tier if parts else "") == tier


@pytest.mark.parametrize(
    ("told", "billed"),
    [
        ({"cost": 0}, 0.0),
        ({"cost": {"total_cost": 0.5}}, 0.5),
        ({"cost_in_usd_ticks": 5_000_000_000}, 0.5),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({"cost": True}, None),
        ({"cost": "0.5"}, None),
    ],
)
def test_what_a_provider_says_that_it_charges(told: dict[str, Any], billed: float | None) -> None:
    parts = counted(OPENAI | told).parts
    assert (parts.billed_usd if parts else None) == billed


@pytest.mark.parametrize("nonsense", [None, "many", -4, [], {}, float("inf"), float("nan")])
def test_nonsense_counts_as_nothing(nonsense: object) -> None:
    told = {
        "prompt_tokens": nonsense,
        "prompt_tokens_details": nonsense,
        "completion_tokens_details": {"reasoning_tokens": nonsense},
        "server_tool_use": nonsense,
    }
    usage = counted(told)
    assert (usage.total, usage.cached, usage.reasoning) == (0, 0, 0)
