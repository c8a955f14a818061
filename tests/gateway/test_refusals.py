"""How a refusal begins."""

from __future__ import annotations

import pytest

from gateway.refusals import refuses


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("  I do not know.", True),
        ("As an AI, I have no opinion.", True),
        ("The form says: I cannot attend.", False),
        ("I can help with that.", False),
        ("I cannot.", True),
        ("I couldn't find that in the documents.", True),
        ("I don't have that information.", True),
        ("I can't recommend it more highly: it is rated at 40 bar.", False),
        ("I couldn't agree more.", False),
        ("I don't have to tell you: 42.", False),
    ],
)
def test_what_begins_as_a_refusal_is_one(text: str, refused: bool) -> None:
    assert refuses(text) is refused
