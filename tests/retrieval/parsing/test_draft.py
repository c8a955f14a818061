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


def test_the_language_of_its_prose_is_told() -> None:
    draft = Draft()
    draft.add("code", "for item in items: print(item)")
    draft.add("paragraph", "Der Arbeitnehmer muss zwei Monate im Voraus kündigen.")
    assert draft.document("a", "1", "a").meta["language"] == "de"


def test_the_language_that_a_file_names_wins() -> None:
    draft = Draft()
    draft.meta["language"] = "en-GB"
    draft.add("paragraph", "Der Arbeitnehmer muss zwei Monate im Voraus kündigen.")
    assert draft.document("a", "1", "a").meta["language"] == "en"


def test_a_language_that_is_not_certain_is_not_named() -> None:
    draft = Draft()
    draft.add("paragraph", "EU-4021-B")
    assert "language" not in draft.document("a", "1", "a").meta
