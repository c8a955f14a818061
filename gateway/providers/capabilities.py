"""What a model can and what a request needs, in the same words; no I/O.

A model's configuration says it first, then litellm's list where it knows the name. A model of
which nothing is known is believed to be able to do everything: its provider will say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

Capability: TypeAlias = Literal[
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "json_object",
    "json_schema",
    "vision",
    "audio",
    "files",
    "audio_output",
    "logprobs",
    "seed",
    "n",
    "stop",
    "logit_bias",
    "penalties",
    "sampling",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "web_search",
    "prediction",
    "notes",
    "system",
    "developer",
    "prefill",
]
"""`vision`, `audio` and `files` are parts of messages; `notes` is what is kept beside a request
(user, metadata, store …); `system` and `developer` are roles; `prefill` is going on with the
beginning of an answer."""

Prefill: TypeAlias = Literal["continue_final_message", "prefix", "assistant", "instruction"]
"""How a model is made to go on with an answer that another one began: vLLM's parameter, a mark on
the last message, a last message of the assistant alone, or a sentence that asks for it."""

FIELDS: Mapping[str, Capability] = {
    "tools": "tools",
    "functions": "tools",
    "tool_choice": "tool_choice",
    "function_call": "tool_choice",
    "parallel_tool_calls": "parallel_tool_calls",
    "response_format": "json_schema",  # or json_object: its type says
    "audio": "audio_output",
    "modalities": "audio_output",
    "logprobs": "logprobs",
    "top_logprobs": "logprobs",
    "seed": "seed",
    "n": "n",
    "stop": "stop",
    "logit_bias": "logit_bias",
    "frequency_penalty": "penalties",
    "presence_penalty": "penalties",
    "temperature": "sampling",
    "top_p": "sampling",
    "reasoning_effort": "reasoning_effort",
    "verbosity": "verbosity",
    "service_tier": "service_tier",
    "web_search_options": "web_search",
    "prediction": "prediction",
    "user": "notes",
    "metadata": "notes",
    "store": "notes",
    "safety_identifier": "notes",
    "prompt_cache_key": "notes",
}
"""The parameters that not every model knows."""

DROPPABLE: frozenset[Capability] = frozenset(
    {
        *("parallel_tool_calls", "penalties", "sampling", "reasoning_effort", "verbosity"),
        *("service_tier", "prediction", "notes"),
    }
)
"""Preferences: an answer without them is still an answer to what was asked."""

IN_MESSAGES: frozenset[Capability] = frozenset({"tools", "vision", "audio", "files"})
"""What is asked for by messages, not only by parameters."""

_PARTS: Mapping[str, Capability] = {
    "image_url": "vision",
    "input_image": "vision",
    "image": "vision",
    "input_audio": "audio",
    "audio_url": "audio",
    "file": "files",
    "input_file": "files",
}

# A value that asks for nothing, beside None, False, 0 and what is empty.
_NOTHING: Mapping[str, frozenset[Any]] = {
    "n": frozenset({1}),
    "temperature": frozenset({1}),
    "top_p": frozenset({1}),
    "tool_choice": frozenset({"auto", "none"}),
    "function_call": frozenset({"auto", "none"}),
    "service_tier": frozenset({"auto", "default"}),
    "reasoning_effort": frozenset({"none"}),
}
_EVEN_FALSE = frozenset({"seed", "temperature", "top_p"})  # 0 asks for something

_LISTED: Mapping[str, Capability] = {
    "supports_function_calling": "tools",
    "supports_tool_choice": "tool_choice",
    "supports_parallel_function_calling": "parallel_tool_calls",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
    "supports_audio_output": "audio_output",
    "supports_pdf_input": "files",
    "supports_reasoning": "reasoning_effort",
    "supports_web_search": "web_search",
    "supports_system_messages": "system",
    "supports_sampling_params": "sampling",
}
# The list says these of every model that has them, so that silence is a no.
_TOLD_ALWAYS = frozenset({"tools", "vision", "json_schema", "reasoning_effort"})


def unlisted(entry: Mapping[str, Any] | None) -> frozenset[Capability]:
    """What a model lacks according to its entry in litellm's list; nothing where it has none."""
    if not entry or entry.get("mode") != "chat":
        return frozenset()
    if not any(key.startswith("supports_") for key in entry):
        return frozenset()
    return frozenset(
        capability
        for key, capability in _LISTED.items()
        if entry.get(key, capability not in _TOLD_ALWAYS) is False
    )


def needs(
    params: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], n: int = 1
) -> dict[Capability, str]:
    """What a request asks of a model, with the field that asks for it."""
    needed: dict[Capability, str] = {}
    for field, capability in FIELDS.items():
        if field in params and _asks(field, params[field]):
            if field == "response_format":
                capability = _format(params[field]) or capability
            needed.setdefault(capability, field)
    if _plain(params.get("response_format")):
        needed.pop("json_schema", None)
    if n > 1:
        needed["n"] = "n"
    for place, message in enumerate(messages):
        _heed(message, place, needed)
    return needed


def only_text(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether messages are text alone, with nothing of tools in them."""
    for message in messages:  # a loop, since a generator costs every request a microsecond more
        if type(message.get("content")) is not str or "tool_calls" in message:
            return False
        if message["role"] in _OF_TOOLS:
            return False
    return True


_OF_TOOLS = frozenset({"tool", "function"})


def _asks(field: str, value: Any) -> bool:
    if value is None or (field not in _EVEN_FALSE and not value):
        return False
    if field == "modalities":
        return "audio" in value
    nothing = _NOTHING.get(field)
    return nothing is None or isinstance(value, (dict, list)) or value not in nothing


def _format(value: Any) -> Capability | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return "json_object" if kind == "json_object" else None


def _plain(value: Any) -> bool:
    """Whether an answer's format is none, or one that only its provider knows."""
    kind = value.get("type") if isinstance(value, dict) else None
    return kind not in ("json_schema", "json_object")


def _heed(message: Mapping[str, Any], place: int, needed: dict[Capability, str]) -> None:
    role, content = message.get("role"), message.get("content")
    if role in _OF_TOOLS or message.get("tool_calls"):
        needed.setdefault("tools", f"messages.{place}")
    if isinstance(content, list):
        for at, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and (capability := _PARTS.get(kind)):
                needed.setdefault(capability, f"messages.{place}.content.{at}")
