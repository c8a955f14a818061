"""Which replica has read the beginning of a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from context.types import Prompt
from gateway.fleet import prefixes
from gateway.fleet.prefixes import BLOCK, LONGEST, Prefixes, blocks_of
from gateway.fleet.sharing import Doing
from gateway.sizes import CHARACTERS_PER_TOKEN

TEXT = "".join(f"Sentence {number}. " for number in range(1000))


def remembered() -> Prefixes:
    """Of one replica, with nobody to tell."""
    known = Prefixes("gpu", lambda _: None)
    known.keep(["a"])
    return known


def prompt(*texts: Any) -> Prompt:
    return Prompt(tuple({"role": "user", "content": text} for text in texts))


def test_a_prompt_that_goes_on_as_another_began_is_known_as_far_as_they_agree() -> None:
    known = remembered()
    known.sent("a", None, blocks_of(prompt(TEXT), None))
    goes_on = blocks_of(prompt(TEXT[: 3 * BLOCK] + "something else" * BLOCK), None)
    read = known.cached(goes_on)["a"] * CHARACTERS_PER_TOKEN
    assert 2 * BLOCK <= read <= 3 * BLOCK


def test_the_next_turn_of_a_conversation_is_known() -> None:
    known = remembered()
    known.sent("a", None, blocks_of(prompt(TEXT), None))
    assert known.cached(blocks_of(prompt(TEXT, "And then?"), None))["a"] > 0


def test_what_one_adapter_has_read_no_other_has() -> None:
    known = remembered()
    known.sent("a", "x@1", blocks_of(prompt(TEXT), "x@1"))
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
    known = remembered()
    first, second = (
        blocks_of(prompt("a" * 3 * BLOCK), None),
        blocks_of(prompt("b" * 4 * BLOCK), None),
    )
    known.sent("a", None, first)
    known.sent("a", None, second)
    assert known.cached(first) == {}
    assert known.cached(second)


def test_only_what_is_new_is_told() -> None:
    told: list[Doing] = []
    known = Prefixes("gpu", told.append)
    known.keep(["a"])
    blocks = blocks_of(prompt(TEXT), None)
    for length in (2, 2, 5):
        known.sent("a", None, blocks[:length])
    assert [more for *_, more in told] == [list(blocks[:2]), list(blocks[2:5])]


def test_what_others_tell_is_kept_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "KEPT", 4)
    known = remembered()
    known.heard(("read", "gpu", "a", None, [1, 2, 3, 4, 5]))
    assert (known.cached([1]), known.cached([2])) == ({}, known.cached([5]))


def test_of_one_doing_no_more_is_heard_than_a_prompt_has() -> None:
    known = remembered()
    known.heard(("read", "gpu", "a", None, list(range(LONGEST + 1))))
    assert known.cached([LONGEST - 1])
    assert not known.cached([LONGEST])


def test_of_what_is_no_replica_nothing_is_kept() -> None:
    known = remembered()
    known.heard(("read", "gpu", "b", None, [1]))
    known.sent("b", None, [1])
    assert known.cached([1]) == {}


def test_every_process_tells_the_same_blocks() -> None:
    assert blocks_of(prompt("x" * BLOCK), "a@1") == (9702871330687624128,)


def test_text_that_no_encoding_has_is_read() -> None:
    assert blocks_of(prompt("\ud800" * BLOCK), None)
