"""Token counts as clouds report them, in whichever shape: JSON in, Usage out.

OpenAI's names come first, then what others add to them or use in their place. It knows no prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.types import Parts, Usage

NONE = Parts()
MOST = 1e15  # more of anything is a slip
TICKS = 1e10  # of xAI's in a dollar
USUAL = frozenset({"auto", "default", "standard"})  # tiers
# What has no price of its own.
PLAIN = frozenset(
    {
        *("prompt_tokens", "prompt_tokens_details", "completion_tokens"),
        *("completion_tokens_details", "total_tokens"),
    }
)
TEXT = frozenset(
    {
        *("cached_tokens", "reasoning_tokens", "text_tokens"),
        *("accepted_prediction_tokens", "rejected_prediction_tokens"),
    }
)


def counted(told: Mapping[str, Any], tier: object = None) -> Usage:
    """What an answer used; `tier` is the service tier, where the answer's top level names it."""
    if "promptTokenCount" in told:
        return _of_gemini(told)
    named = _tier(tier or told.get("service_tier"))
    if "input_tokens" in told:
        return _of_input(told, named)
    return _of_openai(told, named)


def _of_openai(told: Mapping[str, Any], tier: str) -> Usage:
    """What the total counts and the parts leave out was thought, not said: xAI and Gemini count
    reasoning so, and bill it as output."""
    prompt, completion = count(told, "prompt_tokens"), count(told, "completion_tokens")
    unsaid = max(0, count(told, "total_tokens") - prompt - completion)
    read, said = told.get("prompt_tokens_details"), told.get("completion_tokens_details")
    return Usage(
        prompt,
        completion + unsaid,
        count(read, "cached_tokens") or count(told, "prompt_cache_hit_tokens"),  # DeepSeek's name
        max(count(said, "reasoning_tokens"), unsaid),
        parts=None if _plain(told, read, said, tier) else _parts(told, read, said, tier),
    )


def _of_input(told: Mapping[str, Any], tier: str) -> Usage:
    """OpenAI's Responses, and Anthropic, whose input leaves out what its cache took or gave."""
    taken = count(told, "cache_read_input_tokens")
    read, said = told.get("input_tokens_details"), told.get("output_tokens_details")
    return Usage(
        prompt=count(told, "input_tokens") + taken + count(told, "cache_creation_input_tokens"),
        completion=count(told, "output_tokens"),
        cached=taken or count(read, "cached_tokens"),
        reasoning=count(said, "reasoning_tokens"),
        parts=_parts(told, read, said, tier),
    )


def _of_gemini(told: Mapping[str, Any]) -> Usage:
    """Google's own names. Thoughts are counted beside the candidates, tools beside the prompt."""
    thoughts = count(told, "thoughtsTokenCount")
    read, said = told.get("promptTokensDetails"), told.get("candidatesTokensDetails")
    parts = Parts(
        cached_audio=_modality(told.get("cacheTokensDetails"), "AUDIO"),
        audio_in=_modality(read, "AUDIO"),
        audio_out=_modality(said, "AUDIO"),
        image_in=_modality(read, "IMAGE"),
        image_out=_modality(said, "IMAGE"),
        tier=_tier(str(told.get("trafficType", "")).lower().removeprefix("on_demand")),
    )
    return Usage(
        prompt=count(told, "promptTokenCount") + count(told, "toolUsePromptTokenCount"),
        completion=count(told, "candidatesTokenCount") + thoughts,
        cached=count(told, "cachedContentTokenCount"),
        reasoning=thoughts,
        parts=parts if parts != NONE else None,
    )


def _plain(told: Mapping[str, Any], read: Any, said: Any, tier: str) -> bool:
    """Whether there is nothing but tokens of text: nearly always, so that it is asked first."""
    if tier or not told.keys() <= PLAIN:
        return False
    for details in (read, said):
        if isinstance(details, dict):
            for name, value in details.items():
                if value and name not in TEXT:
                    return False
    return True


def _parts(told: Mapping[str, Any], read: Any, said: Any, tier: str) -> Parts | None:
    parts = Parts(
        cache_written=(
            count(told, "cache_creation_input_tokens")  # Anthropic's name
            or count(read, "cache_write_tokens")  # OpenRouter's
            or count(read, "cache_creation_tokens")  # litellm's
        ),
        cache_written_1h=(
            count(told.get("cache_creation"), "ephemeral_1h_input_tokens")
            or count(_of(read, "cache_creation_token_details"), "ephemeral_1h_input_tokens")
        ),
        cached_audio=count(_of(read, "cached_tokens_details"), "audio_tokens"),
        audio_in=count(read, "audio_tokens"),
        audio_out=count(said, "audio_tokens"),
        image_in=count(read, "image_tokens"),
        image_out=count(said, "image_tokens"),
        images=count(read, "image_count"),
        searches=(
            count(told.get("server_tool_use"), "web_search_requests")
            or count(read, "web_search_requests")
            or count(told, "num_search_queries")
        ),
        tier=tier,
        billed_usd=_billed(told),
    )
    return parts if parts != NONE else None


def count(told: Any, name: str) -> int:
    """A number of something; 0 where there is none."""
    value = told.get(name) if isinstance(told, dict) else None
    return int(value) if isinstance(value, int | float) and 0 < value < MOST else 0


def _of(told: Any, name: str) -> Any:
    return told.get(name) if isinstance(told, dict) else None


def _modality(details: object, kind: str) -> int:
    parts: Iterable[Any] = details if isinstance(details, list) else ()
    return sum(count(p, "tokenCount") for p in parts if _of(p, "modality") == kind)


def _tier(told: object) -> str:
    """The usual one has no name here."""
    return told.strip("_") if isinstance(told, str) and told not in USUAL else ""


def _billed(told: Mapping[str, Any]) -> float | None:
    """What OpenRouter, Perplexity and xAI say that an answer costs."""
    cost = told.get("cost")
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if cost is None and (ticks := count(told, "cost_in_usd_ticks")):
        cost = ticks / TICKS
    usable = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < 1e6
    return float(cost) if usable and cost is not None else None
