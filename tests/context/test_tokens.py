"""Counting tokens."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.families import FAMILIES
from context.splits import splits
from context.tokens import (
    PER_IMAGE,
    PER_MESSAGE,
    PER_REPLY,
    counter,
    message_tokens,
    messages_tokens,
    most_tokens,
    warm,
    widest,
)
from context.vocabularies import CL100K, O200K, VocabularyMissing, loaded, pieces
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
        ("o3-mini", "o200k_base"),
        ("openai/gpt-oss-20b", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("azure/gpt-35-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
    ],
)
def test_openais_models_are_counted_by_their_vocabulary(model: str, name: str) -> None:
    assert (counter(model).name, counter(model).exact) == (name, True)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("meta-llama/Llama-3.1-8B", "llama"),
        ("anthropic.claude-3-5-sonnet", "claude"),
        ("gemini-2.5-pro", "gemma"),
        ("Llama-4-Scout", "llama-4"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("qwen2.5-coder", "qwen"),
        ("qwen3.5-9b", "qwen, any"),
        ("mistral-small-latest", "mistral"),
        ("open-mixtral-8x7b", "mixtral"),
        ("deepseek-chat", "deepseek"),
        ("somebody/else", "unknown"),
    ],
)
def test_other_models_are_estimated_and_the_estimate_says_how_far_it_may_be_off(
    model: str, family: str
) -> None:
    assert counter(model).name == f"{family}, estimated"
    assert 0 < counter(model).error <= 0.2


def test_an_estimate_knows_that_most_others_count_each_digit() -> None:
    figures = "The figures are 123456 789012 345678 901234 567890. " * 20
    assert counter("qwen3")(figures) > 1.4 * COUNT(figures)
    assert counter("llama-3")(figures) == pytest.approx(COUNT(figures), rel=0.05)


@pytest.mark.parametrize(
    ("model", "tokens"),  # as the families' own tokenizers count
    [("llama-3", 275), ("qwen3", 285), ("gemma", 265), ("deepseek", 255), ("ministral", 295)],
)
def test_what_is_rare_is_cut_about_as_the_family_cuts_it(model: str, tokens: int) -> None:
    text = (
        "Сегодня погода была хорошая, и мы гуляли в парке. 今天天气很好，所以我去公园散步。 Der "
        "Kündigungsschutz gilt für 123456 Beschäftigte; isinstance(value, dict) raises TypeError.\n"
    )
    assert counter(model)(text * 5) == pytest.approx(tokens, rel=0.12)


def test_a_table_has_a_number_for_each_token() -> None:
    for family in {each.splits for each in FAMILIES if each.splits}:
        table = splits(family)
        assert len(table) == loaded(O200K).n_vocab
        assert min(table) > 0


def test_what_fits_the_widest_fits_all() -> None:
    text = "Größe 123456 naïve \u4f60\u597d " * 20
    each = [counter("gpt-4"), counter("qwen3"), counter("claude")]
    assert widest(each)(text) == max(one(text) for one in each)
    assert widest(each).error == counter("claude").error
    assert widest(each).frame.message == 5


def test_one_tokenizer_is_its_own_widest() -> None:
    assert widest([COUNT, counter()]) is COUNT


def test_a_long_text_is_counted_in_pieces_to_the_token() -> None:
    text = "All work and no play makes Jack a dull boy. " * 2_000
    assert COUNT(text) == len(loaded(O200K).encode_ordinary(text))


def test_a_million_blanks_can_be_counted() -> None:
    """They overflow tiktoken's stack where they are counted at once."""
    assert COUNT(" " * 2_000_000) > 10_000


MATERIAL = (
    "word|Word's|I'LL|don't| |  |\n|\r\n|\t|1234567|e\u0301|naïve|你好|，|。|год|...|/|//|.\n|😀"
    "|_|x_1|'|’s|\u00a0|²|Ⅷ"
)
words = st.sampled_from(MATERIAL.split("|"))


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(words, max_size=60).map("".join),
    longest=st.integers(24, 80),
    vocabulary=st.sampled_from([O200K, CL100K]),
)
def test_pieces_have_as_many_tokens_as_the_whole(text: str, longest: int, vocabulary: str) -> None:
    cut = list(pieces(text, longest))
    assert "".join(cut) == text
    assert all(len(piece) <= longest for piece in cut)
    if all(one[-1].isalnum() and not other[0].isalnum() for one, other in pairwise(cut)):
        encode = loaded(vocabulary).encode_ordinary
        assert sum(len(encode(piece)) for piece in cut) == len(encode(text))


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
