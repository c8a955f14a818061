"""Which replica has read the beginning of a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from context.types import Prompt
from gateway.fleet import prefixes
from gateway.fleet.prefixes import BLOCK, LONGEST, Prefixes, blocks_of
from gateway.sizes import CHARACTERS_PER_TOKEN

TEXT = "".join(f"Sentence {number}. " for number in range(1000))


def prompt(*texts: Any) -> Prompt:
    return Prompt(tuple({"role": "user", "content": text} for text in texts))


def test_a_prompt_that_goes_on_as_another_began_is_known_as_far_as_they_agree() -> None:
    known = Prefixes()
    known.sent("a", blocks_of(prompt(TEXT), None))
    goes_on = blocks_of(prompt(TEXT[: 3 * BLOCK] + "something else" * BLOCK), None)
    read = known.cached(goes_on)["a"] * CHARACTERS_PER_TOKEN
    assert 2 * BLOCK <= read <= 3 * BLOCK


def test_the_next_turn_of_a_conversation_is_known() -> None:
    known = Prefixes()
    known.sent("a", blocks_of(prompt(TEXT), None))
    assert known.cached(blocks_of(prompt(TEXT, "And then?"), None))["a"] > 0


def test_what_one_adapter_has_read_no_other_has() -> None:
    known = Prefixes()
    known.sent("a", blocks_of(prompt(TEXT), "x@1"))
    assert known.cached(blocks_of(prompt(TEXT), "y@1")) == {}


def test_a_short_prompt_has_no_blocks() -> None:
    assert blocks_of(prompt("Hello."), None) == ()


def test_of_a_very_long_prompt_the_beginning_is_compared() -> None:
    assert len(blocks_of(prompt("x" * BLOCK * LONGEST * 3), None)) == LONGEST


@pytest.mark.parametrize("content", [None, [], [{"type": "image_url"}], [{"text": 5}]])
def test_what_is_no_text_ends_the_comparison(content: Any) -> None:
    assert blocks_of(prompt(content, TEXT), None) in ((), blocks_of(prompt("", TEXT), None))


def test_the_oldest_are_forgotten_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "KEPT", 4)
    known = Prefixes()
    first, second = (
        blocks_of(prompt("a" * 3 * BLOCK), None),
        blocks_of(prompt("b" * 4 * BLOCK), None),
    )
    known.sent("a", first)
    known.sent("a", second)
    assert known.cached(first) == {}
    assert known.cached(second)
