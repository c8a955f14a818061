"""Counting tokens."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from context.tokens import (
    PER_IMAGE,
    PER_MESSAGE,
    PER_REPLY,
    VocabularyMissing,
    counter,
    message_tokens,
    messages_tokens,
    most_tokens,
    vocabulary,
    warm,
)
from tests.effort import cpu_seconds

COUNT = counter()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello world", 2), ("Grüß Gott, wie geht es dir?", 10), ("<|endoftext|>", 7)],
)
def test_counts_as_tiktoken_does(text: str, tokens: int) -> None:
    assert COUNT(text) == tokens


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("", "o200k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4.1-mini", "o200k_base"),
        ("openai/gpt-4o-mini", "o200k_base"),
        ("meta-llama/Llama-3.1-8B", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
    ],
)
def test_picks_the_models_vocabulary(model: str, name: str) -> None:
    assert vocabulary(model) == name


def test_a_long_text_is_counted_in_slices_that_add_next_to_nothing() -> None:
    text = "All work and no play makes Jack a dull boy. " * 2_000
    slices = len(text) // 5_000
    assert (
        0
        <= COUNT(text) - 2_000 * COUNT(" All work and no play makes Jack a dull boy.")
        <= (slices + 2_000)
    )


@pytest.mark.parametrize("unit", ["a", " ", "^", "ab1"])
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        return cpu_seconds(lambda: COUNT(text))

    assert seconds(400_000) < 50 * max(seconds(40_000), 0.001)


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ({"role": "user", "content": "hello world"}, 2),
        ({"role": "user", "content": [{"type": "text", "text": "hello world"}]}, 2),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, PER_IMAGE),
        ({"role": "user", "content": [{"image_url": {"detail": "low"}}]}, 85),
        ({"role": "assistant", "content": None}, 0),
    ],
)
def test_a_message_costs_its_content_and_its_frame(message: dict[str, Any], tokens: int) -> None:
    assert message_tokens(message, COUNT) == PER_MESSAGE + tokens


def test_tool_calls_cost_what_they_say() -> None:
    call = {"id": "1", "function": {"name": "weather", "arguments": '{"city": "Lisbon"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert message_tokens(message, COUNT) > PER_MESSAGE + 10


def test_the_bound_that_needs_no_counting_is_never_too_low() -> None:
    messages = [{"role": "user", "content": text} for text in ("hello world", "你好", "\ud800", "")]
    assert messages_tokens(messages, COUNT) <= most_tokens(messages)
    assert messages_tokens([], COUNT) == PER_REPLY


def test_a_missing_vocabulary_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    program = "from context.tokens import warm; warm()"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert VocabularyMissing.__name__ in result.stderr
    assert "TIKTOKEN_CACHE_DIR" in result.stderr


def test_importing_loads_nothing_and_counting_does_not_import_litellm() -> None:
    program = (
        "import sys, context.packing, context.tokens as tokens; early = 'tiktoken' in sys.modules;"
        "tokens.warm(); assert not early; assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_warming_up_twice_is_nothing() -> None:
    warm()
    warm()
