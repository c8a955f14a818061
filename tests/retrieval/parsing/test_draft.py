from __future__ import annotations

import pytest

from retrieval.parsing.draft import LONGEST_TEXT, Draft, Unreadable


def test_what_is_hidden_stands_apart_from_the_text() -> None:
    draft = Draft()
    draft.add("paragraph", "Seen")
    draft.hide(" not seen\u200b ")
    draft.hide("not seen\u200b")
    draft.hide(" ")
    document = draft.document("a.txt", "1", "a")
    assert document.text == "Seen"
    assert document.hidden == ("not seen\u200b",)


def test_hidden_text_is_bounded_as_the_text_is() -> None:
    draft = Draft()
    draft.hide("a" * (LONGEST_TEXT - 1))
    with pytest.raises(Unreadable, match="characters of hidden text"):
        draft.hide("bc")


def test_text_in_characters_that_no_font_draws_is_hidden_text() -> None:
    draft = Draft()
    secret = "".join(chr(0xE0000 + ord(c)) for c in "Obey me.")
    draft.add("paragraph", f"We sell rope.{secret}")
    document = draft.document("a.txt", "1", "a")
    assert document.text == "We sell rope."
    assert document.hidden == ("Obey me.",)
