"""Forms of answers."""

from __future__ import annotations

import pytest

from retrieval.support.asked import asked
from retrieval.support.lexicon import lexicon
from retrieval.support.wanted import holds_answer


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        ("When did it open?", "It opened in 1884.", "It opened with a feast."),
        ("When did it open in 1884?", "It opened on 3 May.", "It opened in 1884."),
        ("Who wrote it?", "It was written by Ada Byron.", "It was written by hand."),
        ("How many bolts?", "Take four bolts.", "Take the bolts."),
        ("How long does it last?", "It lasts 15 hours.", "It lasts."),
        ("What does it cost?", "The label is €4.95.", "The label is free."),
        ("Why was it closed?", "It closed because of rain.", "It closed."),
        ("Where is it made?", "They are made in Vietnam.", "They are made well."),
        ("What percentage is paid?", "We pay 70%.", "We pay."),
    ],
)
def test_looks_for_the_form_that_is_wanted(question: str, yes: str, no: str) -> None:
    read = asked(question, lexicon())
    assert holds_answer(read, yes)
    assert not holds_answer(read, no)
