"""Anthropic's turns as messages of a chat."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.messages.turns import messages_of
from gateway.errors import InvalidRequest

PICTURE = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}


def test_results_become_messages_of_their_own_before_what_the_user_says() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": "a", "content": "sunny"},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True, "content": "no such city"},
        {"type": "text", "text": "And now?"},
    ]
    assert messages_of("user", blocks, "p") == [
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": "The tool failed: no such city"},
        {"role": "user", "content": "And now?"},
    ]


def test_a_picture_that_a_tool_shows_is_shown_by_the_user() -> None:
    seen = {"type": "text", "text": "Here it is"}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [seen, PICTURE]}
    tool, user = messages_of("user", [result], "p")
    assert tool["content"] == "Here it is"
    assert user["content"] == [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]


def test_an_assistants_blocks_are_one_message_without_its_thoughts() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Paris"}},
    ]
    (message,) = messages_of("assistant", blocks, "p")
    assert message["content"] == "Let me look."
    (call,) = message["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Paris"}'}


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "container_upload", "file_id": "f"}, "p.0.type"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "p.0.source.type"),
        ({"type": "tool_result", "content": "x"}, "p.0.tool_use_id"),
        ({"type": "tool_result", "tool_use_id": "a", "content": [{}]}, "p.0.content.0"),
        ({"text": "x"}, "p.0"),
    ],
)
def test_a_block_that_cannot_be_read_is_named(block: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages_of("user", [block], "p")
    assert caught.value.param == param
