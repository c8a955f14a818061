"""One trace as its page tells it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dashboard.story import Part, Rung, Said, parts, said, story
from gateway.tracing.trace import Span
from tests.gateway.dashboard.world import recorded


def test_markers_of_passages_are_links_and_others_stay_text() -> None:
    assert said("Thirty days [1], unless [9].", {1, 2}) == (
        Said("Thirty days "),
        Said("[1]", 1),
        Said(", unless [9]."),
    )


def test_an_answer_loses_nothing_when_it_is_cut_at_its_markers() -> None:
    answer = "[1][2] a [3]\nb [1]"
    assert "".join(piece.text for piece in said(answer, {1, 3})) == answer


def test_a_passage_is_cited_where_the_answer_says_its_number() -> None:
    passages = [{"n": 1, "document": "a.md"}, {"n": 2, "document": "b.md"}]
    span = Span("retrieve", 0, 1, None, {"passages": passages})
    told = story(recorded(span, attributes={"answer": "So it is [2]."}))
    assert [passage.cited for passage in told.passages] == [False, True]


def test_tokens_are_shared_out_side_by_side() -> None:
    assert parts({"system": 30, "sources": 60, "history": 0, "question": 10, "total": 100}) == (
        Part("system", 30, 0.0, 30.0),
        Part("sources", 60, 30.0, 60.0),
        Part("question", 10, 90.0, 10.0),
    )


def test_a_failed_attempt_says_why() -> None:
    attempts = [{"model": "a/b", "ms": 10.0, "error": "502"}, {"model": "c/d", "ms": 2.0}]
    told = story(recorded(Span("dispatch", 0, 1, None, {"attempts": attempts})))
    assert [(each.model, each.error) for each in told.attempts] == [("a/b", "502"), ("c/d", None)]


def test_what_has_a_section_of_its_own_is_not_repeated_in_the_waterfall() -> None:
    span = Span("pack", 0, 1, None, {"prompt": [{"role": "user"}], "tokens": {"question": 3}})
    (row,) = story(recorded(span)).waterfall.rows
    assert row.attributes == {"prompt": "1, see below", "tokens": {"question": 3}}


def test_a_message_keeps_its_other_fields() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    told = story(recorded(Span("pack", 0, 1, None, {"prompt": [message]})))
    assert told.prompt[0].content == {"tool_calls": [{"id": "1"}]}


def test_the_question_of_the_row_stands_in_for_one_that_was_not_kept() -> None:
    assert story(recorded(question="Why?")).question == "Why?"


@pytest.mark.parametrize("odd", [None, 7, "text", [7, None], {"a": 1}, [{"n": "x", "text": 7}]])
@pytest.mark.parametrize(
    ("span", "attribute"),
    [
        ("retrieve", "passages"),
        ("pack", "prompt"),
        ("pack", "tokens"),
        ("dispatch", "attempts"),
        ("route", "reason"),
    ],
)
def test_misshapen_attributes_are_left_out(span: str, attribute: str, odd: Any) -> None:
    told = story(recorded(Span(span, 0, 1, None, {attribute: odd})))
    assert told.waterfall.rows[0].name == span


def test_the_way_down_the_ladder_ends_with_what_stood_in() -> None:
    tried = [
        {"step": "models", "why": "No model answered."},
        {"step": "cached", "why": "No earlier answer fits."},
    ]
    span = Span("degrade", 0, 1, None, {"tried": tried})
    told = story(recorded(span, degraded="canned"))
    assert told.ladder == (Rung("cached", "No earlier answer fits."), Rung("canned", None))
    assert story(recorded(span)).ladder == told.ladder[:1]
    assert story(recorded(degraded="fallback")).ladder == ()
