"""Instructions that are added to a client's own."""

from __future__ import annotations

import pytest

from context.instructions import beginning, ending
from context.types import Message

QUESTION: Message = {"role": "user", "content": "How long?"}
PART = {"type": "text", "text": "Be brief."}


@pytest.mark.parametrize(
    ("theirs", "before", "after"),
    [
        ("Be brief.", "Ours.\n\nBe brief.", "Be brief.\n\nOurs."),
        ("", "Ours.", "Ours."),
        (None, "Ours.", "Ours."),
        (
            [PART],
            [{"type": "text", "text": "Ours."}, PART],
            [PART, {"type": "text", "text": "Ours."}],
        ),
    ],
)
def test_they_are_one_message_with_the_clients(
    theirs: object, before: object, after: object
) -> None:
    told: Message = {"role": "developer", "content": theirs}
    assert beginning([told, QUESTION], "Ours.") == ({**told, "content": before}, QUESTION)
    assert ending([told, QUESTION], "Ours.") == ({**told, "content": after}, QUESTION)


def test_where_there_are_none_they_come_first() -> None:
    alone = ({"role": "system", "content": "Ours."}, QUESTION)
    assert beginning([QUESTION], "Ours.") == ending([QUESTION], "Ours.") == alone
    assert beginning([], "Ours.") == alone[:1]


def test_of_several_the_first_begins_and_the_last_ends() -> None:
    one, two = ({"role": "system", "content": text} for text in ("One.", "Two."))
    assert beginning([one, two], "Ours.")[0]["content"] == "Ours.\n\nOne."
    assert ending([one, two], "Ours.")[1]["content"] == "Two.\n\nOurs."
