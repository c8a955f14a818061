"""What a question asks, as tables."""

from __future__ import annotations

import pytest

from retrieval.support.asked import asked, clauses, figures_in, ranges_in, series, within
from retrieval.support.lexicon import lexicon
from tests.effort import cpu_seconds


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many points do I need?", "number"),
        ("What percentage of Kenyans are Christian?", "percent"),
        ("What does a winch cost?", "money"),
        ("How long is the warranty?", "measure"),
        ("When was it founded?", "when"),
        ("Which year did it open?", "when"),
        ("Who approves an order?", "who"),
        ("Where are the tents made?", "where"),
        ("Why did it fail?", "why"),
        ("How do I return it?", "how"),
        ("What is a grapnel?", "naming"),
        ("Can dogs come to the office?", "other"),
        ("whose hat is whole?", "who"),
    ],
)
def test_tells_the_kind_of_answer_that_is_wanted(question: str, kind: str) -> None:
    assert asked(question, lexicon()).kind == kind


def test_the_focus_is_what_the_answer_is_one_of() -> None:
    assert asked("Which river runs through Ghent?", lexicon()).focus == "river"
    assert asked("When did it end?", lexicon()).focus is None


def test_tells_codes_from_numbers() -> None:
    question = asked("What does E-417 on the Ballast 500 mean after 3 days in May 2025?", lexicon())
    assert question.codes == {"e417", "ballast 500"}
    assert question.numbers == {"3", "2025"}


@pytest.mark.parametrize("figure", ["19th", "1990s", "24.95", "12kg", "5 kN", "30%"])
def test_a_quantity_is_no_code(figure: str) -> None:
    assert not asked(f"What happened in the {figure}?", lexicon()).codes


def test_a_code_is_one_however_it_is_joined() -> None:
    assert figures_in("HT-4021-B") == figures_in("HT4021B") == {"ht4021b"}
    assert "ballast 500" in figures_in("the Ballast-500")


def test_codes_of_one_series_look_alike() -> None:
    assert series("e417") == series("e422")
    assert series("ballast 500") == series("ballast 1000")
    assert series("ballast 500") != series("petrel 150")


def test_a_range_names_every_code_in_it() -> None:
    lots = ranges_in("Lots P150-2403 to P150-2411 and grades G5–G7")
    assert within("p1502405", lots)
    assert within("g6", lots)
    assert not within("g8", lots)
    assert not within("p1502412", lots)


def test_regions_have_one_name() -> None:
    spoken = asked("returns in the United States", lexicon())
    assert "us" in spoken.terms


def test_a_question_that_joins_several_is_taken_apart_and_keeps_its_names() -> None:
    joined = "What does a Bollard 40 winch cost and how long is its warranty?"
    assert clauses(joined) == [
        "What does a Bollard 40 winch cost",
        "how long is its warranty? (Bollard 40)",
    ]


@pytest.mark.parametrize("question", ["Who founded it and when?", "What do salt and pepper cost?"])
def test_a_question_that_joins_nothing_stays_whole(question: str) -> None:
    assert clauses(question) == [question]


def test_an_empty_question_is_no_failure() -> None:
    assert asked("", lexicon()).terms == ()
    assert asked("?!", lexicon()).total > 0


def many_pages(words: int) -> str:
    return " ".join(f"year{n} word{n}" for n in range(words)) + " What is the warranty on a zip?"


def test_a_question_of_many_pages_is_read_by_its_rarest_words() -> None:
    pages = many_pages(5_000)
    read = asked(pages, lexicon())
    assert len(read.terms) == 64
    assert all(set(pair) <= set(read.terms) for pair in read.pairs)
    assert len(clauses(pages)) == 1


def test_a_question_of_many_pages_takes_linear_time() -> None:
    short, long = many_pages(500), many_pages(5_000)
    least = max(cpu_seconds(lambda: asked(short, lexicon())), 0.005)
    assert cpu_seconds(lambda: asked(long, lexicon())) < 40 * least
