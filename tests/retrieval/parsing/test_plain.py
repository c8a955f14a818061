from __future__ import annotations

from pathlib import Path

from tests.retrieval.parsing.made import blocks, read

NOTES = """RELEASE NOTES: THE APP
======================

These notes list the changes
in the app.

2.1 Scope
=========

New
- Reminders can be shared
  with the crew.
- Tide tables.
Fixed
- A crash.

KNOWN PROBLEMS

1.2.3 Another Heading

1. First, this happens.
2. Then that.

This is a sentence.
"""


def test_paragraphs_lists_and_plain_headings(tmp_path: Path) -> None:
    document = read(tmp_path, "notes.txt", NOTES)
    assert document.title == "RELEASE NOTES: THE APP" or document.title == "notes"
    assert blocks(document) == [
        ("heading", "RELEASE NOTES: THE APP"),
        ("paragraph", "These notes list the changes\nin the app."),
        ("heading", "2.1 Scope"),
        ("paragraph", "New"),
        ("list", "- Reminders can be shared\n  with the crew."),
        ("list", "- Tide tables."),
        ("paragraph", "Fixed"),
        ("list", "- A crash."),
        ("heading", "KNOWN PROBLEMS"),
        ("heading", "1.2.3 Another Heading"),
        ("list", "1. First, this happens."),
        ("list", "2. Then that."),
        ("paragraph", "This is a sentence."),
    ]


def test_an_underlined_first_line_is_the_title(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", "My Notes\n========\n\nText.\n\nPart\n----\n\nMore.").title == (
        "My Notes"
    )


def test_what_may_be_prose_is_no_heading(tmp_path: Path) -> None:
    text = "OK.\n\nI\n\n2025 was good\n\nA SENTENCE IN CAPITALS ENDS LIKE THIS.\n\n3.5 times more"
    assert {kind for kind, _ in blocks(read(tmp_path, "a.txt", text))} == {"paragraph"}


def test_a_form_feed_parts_paragraphs(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", "One.\fTwo.").text == "One.\n\nTwo."
