"""What a request needs, and what litellm's list says that a model lacks."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.providers.capabilities import needs, only_text, unlisted

SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    ("params", "needed"),
    [
        ({}, {}),
        ({"temperature": 0.2}, {"sampling": "temperature"}),
        ({"temperature": 0}, {"sampling": "temperature"}),
        ({"temperature": 1, "top_p": 1}, {}),
        ({"tools": []}, {}),
        ({"tools": [{"type": "function"}], "tool_choice": "auto"}, {"tools": "tools"}),
        ({"tool_choice": "required"}, {"tool_choice": "tool_choice"}),
        ({"tool_choice": {"type": "function"}}, {"tool_choice": "tool_choice"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"json_object": "response_format"}),
        ({"response_format": SCHEMA}, {"json_schema": "response_format"}),
        ({"logprobs": False}, {}),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": "logprobs"}),
        ({"seed": 0}, {"seed": "seed"}),
        ({"seed": None, "stop": None}, {}),
        ({"n": 1}, {}),
        ({"parallel_tool_calls": False}, {}),
        ({"modalities": ["text"]}, {}),
        ({"modalities": ["text", "audio"]}, {"audio_output": "modalities"}),
        ({"user": "a"}, {"notes": "user"}),
        ({"something_new": 1}, {}),
    ],
)
def test_a_parameter_needs_what_it_asks_for(params: dict[str, Any], needed: dict[str, str]) -> None:
    assert needs(params, ()) == needed


def test_a_part_of_a_message_is_named_by_its_place() -> None:
    seen: dict[str, Any] = {"role": "user", "content": [PICTURE]}
    messages = [{"role": "system", "content": "x"}, seen]
    assert needs({}, messages) == {"vision": "messages.1.content.0"}


def test_a_conversation_with_tools_needs_them() -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]
    assert needs({}, messages) == {"tools": "messages.1"}


def test_several_choices_need_n() -> None:
    assert needs({}, (), n=2) == {"n": "n"}


def test_messages_are_only_text_or_they_are_not() -> None:
    plain = {"role": "user", "content": "x"}
    assert only_text([plain, {"role": "system", "content": "y"}])
    assert not only_text([plain, {"role": "user", "content": [PICTURE]}])
    assert not only_text([plain, {"role": "tool", "content": "y"}])
    assert not only_text([plain, {"role": "assistant", "content": "", "tool_calls": [{}]}])


def test_the_list_says_no_in_so_many_words() -> None:
    entry = {
        "mode": "chat",
        "supports_function_calling": True,
        "supports_vision": False,
        "supports_response_schema": True,
        "supports_reasoning": True,
        "supports_system_messages": False,
    }
    assert unlisted(entry) == {"vision", "system"}


def test_the_list_is_silent_on_what_a_model_lacks() -> None:
    entry = {"mode": "chat", "supports_function_calling": True, "supports_system_messages": True}
    assert unlisted(entry) == {"vision", "json_schema", "reasoning_effort"}


@pytest.mark.parametrize("entry", [None, {}, {"mode": "chat"}, {"mode": "embedding"}])
def test_a_model_of_which_nothing_is_known_lacks_nothing(entry: dict[str, Any] | None) -> None:
    assert unlisted(entry) == frozenset()
