"""Items of the Responses API as messages of a chat."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.responses.items import as_items, messages_of
from gateway.errors import InvalidRequest


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def called(name: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": name, "name": "f", "arguments": "{}"}


def test_calls_in_a_row_belong_to_one_turn_of_the_assistant() -> None:
    output = {"type": "function_call_output", "call_id": "a", "output": "wet"}
    items = [said("user", "x"), said("assistant", "Let me look."), called("a"), called("b"), output]
    user, assistant, tool = messages_of(items)
    assert user == said("user", "x")
    assert assistant["content"] == "Let me look."
    assert [call["id"] for call in assistant["tool_calls"]] == ["a", "b"]
    assert tool == {"role": "tool", "tool_call_id": "a", "content": "wet"}


def test_reasoning_is_left_out_and_texts_alone_are_a_string() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "summary": []},
        {"role": "user", "content": parts},
    ]
    assert messages_of(items) == [said("user", "a\nb")]


def test_pictures_and_files_stay_parts() -> None:
    parts = [
        {"type": "input_image", "image_url": "data:x"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:y"},
    ]
    (message,) = messages_of([{"role": "user", "content": parts}])
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:x"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:y"}},
    ]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "item_reference", "id": "x"}, "input.0.type"),
        ({"role": "user", "content": 5}, "input.0.content"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
         "input.0.content.0.file_id"),
        ({"role": "user", "content": ["x"]}, "input.0.content.0"),
        ({"type": "function_call", "call_id": "a", "name": "f"}, "input.0.arguments"),
        ({"type": "function_call_output", "output": "x"}, "input.0.call_id"),
    ],
)  # fmt: skip
def test_an_item_that_cannot_be_read_is_named(item: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages_of([item])
    assert caught.value.param == param


def test_an_input_is_listed_with_an_id_and_a_type_for_each_item() -> None:
    (item,) = as_items("Hi", "t1")
    assert (item["id"], item["type"], item["role"]) == ("msg_t1_0", "message", "user")
    assert item["content"] == [{"type": "input_text", "text": "Hi"}]
