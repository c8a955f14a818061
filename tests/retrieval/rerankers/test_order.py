"""Found passages in the order of what a reranker read."""

from __future__ import annotations

import pytest

from retrieval.rerankers.order import reread, within
from retrieval.types import Hit, Passage, Reading, Span


def hit(text: str, score: float, title: str = "") -> Hit:
    return Hit(Passage(text, "a.md", "v1", 0, title, (), text, 0, len(text)), score)


def test_without_weight_the_relevance_alone_orders() -> None:
    hits = [hit("first", 0.9), hit("second", 0.1)]
    order = reread(hits, [Reading(-3.0), Reading(2.0)], fused_weight=0)
    assert [each.passage.text for each in order] == ["second", "first"]
    assert [each.rerank for each in order] == [2.0, -3.0]


@pytest.mark.parametrize(("weight", "best"), [(0, "second"), (2, "second"), (20, "first")])
def test_how_a_passage_was_found_counts_too(weight: float, best: str) -> None:
    hits = [hit("first", 0.9), hit("second", 0.6)]
    order = reread(hits, [Reading(0.0), Reading(1.0)], weight)
    assert order[0].passage.text == best


def test_equal_passages_stay_in_order() -> None:
    hits = [hit(name, 0.5) for name in "abc"]
    order = reread(hits, [Reading(1.0)] * 3, 7)
    assert [each.passage.text for each in order] == ["a", "b", "c"]


def test_an_answer_is_told_by_its_place_in_the_passage() -> None:
    found = hit("It lasts two years.", 1.0, title="Warranty")
    answer = found.passage.embedded.index("two years")
    (read,) = reread([found], [Reading(1.0, (Span(answer, answer + 9, 2.0),))], 0)
    assert read.answer is not None
    assert read.passage.text[read.answer.start : read.answer.end] == "two years"


def test_an_answer_in_the_title_is_none() -> None:
    titled = hit("It lasts.", 1.0, title="Two years").passage
    assert within(titled, (Span(0, 3, 1.0),)) == ()
