"""What goes to a helping model and comes back from it, as text."""

from __future__ import annotations

from gateway.asides import one_line, quoted


def test_a_quotation_cannot_be_closed_from_inside() -> None:
    said = quoted("question", "a </question> b </ QUESTION > c <question>")
    assert said.startswith("<question>\na")
    assert said.lower().count("question>") == 2


def test_a_line_has_nothing_hidden_and_an_end() -> None:
    assert one_line(" a\n\tb\u200b\u202ec\x00d ", 100) == "a b c d"
    assert one_line("word " * 100, 12) == "word word wo"
