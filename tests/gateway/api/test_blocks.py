"""An answer's pieces as blocks, one after another."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.blocks import Blocks, Closed, Grown, Opened, Step
from gateway.errors import ProviderError
from gateway.streams import Choice
from gateway.types import Delta


def call(arguments: str, index: int | None = None, **fields: Any) -> Delta:
    piece: dict[str, Any] = {"function": {"arguments": arguments}, **fields}
    return Delta(fields={"tool_calls": [piece if index is None else {"index": index, **piece}]})


def shown(step: Step) -> tuple[str, str, str]:
    match step:
        case Grown(block, piece):
            return ("grown", block.kind, piece)
        case Opened(block):
            return ("opened", block.kind, "")
        case Closed(block):
            return ("closed", block.kind, block.text)


def steps(*deltas: Delta) -> list[tuple[str, str, str]]:
    blocks = Blocks()
    told = [shown(step) for delta in deltas for step in blocks.add(delta)]
    return told + [shown(step) for step in blocks.end()]


def test_a_block_is_closed_before_the_next_one_is_opened() -> None:
    thought = Delta(fields={"reasoning_content": "hm"})
    assert steps(thought, Delta("Hi "), Delta("you"), call("{}", 0, id="c")) == [
        ("opened", "reasoning", ""),
        ("grown", "reasoning", "hm"),
        ("closed", "reasoning", "hm"),
        ("opened", "text", ""),
        ("grown", "text", "Hi "),
        ("grown", "text", "you"),
        ("closed", "text", "Hi you"),
        ("opened", "tool", ""),
        ("grown", "tool", "{}"),
        ("closed", "tool", "{}"),
    ]


def test_a_call_without_an_index_begins_with_its_id() -> None:
    blocks = Blocks()
    for piece in (call("{", id="a"), call("}"), call("[]", id="b")):
        list(blocks.add(piece))
    assert [(block.id, block.text) for block in blocks.all] == [("a", "{}"), ("b", "[]")]


def test_calls_that_are_told_at_the_same_time_are_an_error_and_not_mixed_up() -> None:
    with pytest.raises(ProviderError):
        steps(call("{", 0, id="a"), call("{", 1, id="b"), call("}", 0))


def test_only_the_first_choice_is_told() -> None:
    assert steps(Delta("no", choice=1)) == []


def test_a_whole_choice_has_its_blocks_in_the_order_of_a_stream() -> None:
    fields = {"reasoning_content": "hm", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}
    blocks = Blocks()
    blocks.whole(Choice("text", fields, {}, "tool_calls"))
    assert [block.kind for block in blocks.all] == ["reasoning", "text", "tool"]
    assert blocks.finish == "tool_calls"
