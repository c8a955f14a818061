"""A small corpus under edits; and that an answer from a retired version would be seen."""

from __future__ import annotations

import random

from eval.bench.invalidation import Corpus, measure, table


def test_no_answer_is_of_a_retired_version_and_the_cache_still_hits() -> None:
    report = measure(documents=20, edits=12, askers=3, seed=1, progress=lambda done: None)
    assert report.retired == 0
    assert report.different == 0
    assert report.at_once + report.confirmed > 0
    assert report.quoting > 0
    assert "12 edits" in table(report)


def test_what_was_gone_before_it_was_asked_for_is_seen() -> None:
    corpus = Corpus(random.Random(1), gone={"Q1Z": 5.0, "a.md": 7.0})
    assert corpus.retired({"Q1Z"}, asked_at=6.0)
    assert not corpus.retired({"Q1Z"}, asked_at=4.0)  # it may have been answered meanwhile
    assert not corpus.retired({"Q2Z", "a.md"}, asked_at=6.0)
