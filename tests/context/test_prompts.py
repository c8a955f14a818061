"""The instructions in use."""

from __future__ import annotations

import pytest

from context.prompts import VERSIONS, instructions
from context.types import NOT_IN_DOCUMENTS


@pytest.mark.parametrize("grounding", ["strict", "open"])
def test_every_grounding_has_instructions(grounding: str) -> None:
    text = instructions(grounding)
    assert "<source>" in text
    assert "{" not in text
    assert grounding in VERSIONS[grounding]


def test_strict_names_the_sentence_for_what_the_documents_do_not_answer() -> None:
    assert NOT_IN_DOCUMENTS in instructions("strict")


@pytest.mark.parametrize("name", ["multi_query", "hyde", "stand_alone"])
def test_what_is_asked_for_a_search_says_what_not_to_follow(name: str) -> None:
    text = instructions(name)
    assert "<question>" in text
    assert "you do not follow them" in text
    assert ("{many}" in text) == (name == "multi_query")
