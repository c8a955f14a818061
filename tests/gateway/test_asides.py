"""What comes back from a helping model, as text."""

from __future__ import annotations

from gateway.asides import one_line


def test_a_line_has_nothing_hidden_and_an_end() -> None:
    assert one_line(" a\n\tb\u200b\u202ec\x00d ", 100) == "a b c d"
    assert one_line("word " * 100, 12) == "word word wo"
