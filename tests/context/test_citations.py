"""Markers in an answer, put right as it comes."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.citations import Citing, Claim, Link, cite, url_citations, without_markers
from context.types import NOT_IN_DOCUMENTS
from tests.effort import cpu_seconds

NUMBERS = (1, 2, 3)


def best(claim: str) -> tuple[int, float] | None:
    """Source 2 knows about refunds, and nobody knows anything else."""
    return (2, 0.9) if "refund" in claim.lower() else (1, 0.2)


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("You have 30 days [1].", "You have 30 days [1]."),
        ("You have 30 days.[1]", "You have 30 days.[1]"),
        ("You have 30 days [1, 2].", "You have 30 days [1][2]."),
        ("You have 30 days [1; 3].", "You have 30 days [1][3]."),
        ("You have 30 days [source 1].", "You have 30 days [1]."),
        ("You have 30 days【2†source】.", "You have 30 days[2]."),
        ("You have 30 days [9].", "You have 30 days."),
        ("You have 30 days [1, 9].", "You have 30 days [1]."),
        ("You have 30 days [1][9][2].", "You have 30 days [1][2]."),
        ("The first item is args[0] here.", "The first item is args[0] here."),
        ("Call `args[9]` on it [1].", "Call `args[9]` on it [1]."),
        ("See [9](https://a.example/).", "See [9](https://a.example/)."),
        ("In 2024 [2024] it was so.", "In 2024 [2024] it was so."),
    ],
)
def test_drops_markers_that_point_to_nothing_and_writes_the_rest_alike(
    given_text: str, wanted: str
) -> None:
    assert cite(given_text, NUMBERS) == wanted


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("Refunds take five days.", "Refunds take five days [2]."),
        ("Refunds take five days! Really?", "Refunds take five days [2]! Really?"),
        ("Refunds take five days", "Refunds take five days [2]"),
        ("- Refunds take five days\n- More\n", "- Refunds take five days [2]\n- More\n"),
        ('It says "refunds take days."', 'It says "refunds take days." [2]'),
        ("Penguins live on ice.", "Penguins live on ice [unsupported]."),
        ("Refunds take days [9].", "Refunds take days [2]."),
        ("Penguins live on ice [3].", "Penguins live on ice [3]."),
        ("Penguins live on ice [unsupported].", "Penguins live on ice [unsupported]."),
    ],
)
def test_a_claim_without_a_marker_gets_its_sources_or_is_flagged(
    given_text: str, wanted: str
) -> None:
    assert cite(given_text, NUMBERS, best) == wanted


@pytest.mark.parametrize(
    "text",
    [
        NOT_IN_DOCUMENTS,
        "Hello there!",
        "Which country do you mean?",
        "Here are the steps for you:",
        "The documents do not say how long it takes.",
        "I could not find anything about penguins in the sources.",
        "There is no information about penguins.",
        "## Shipping to the whole of Norway",
        "**Shipping to the whole of Norway**",
        "| Norway | ships in seven days |",
        "```\nreturn the_whole_of_norway[9]\n```",
        "Feel free to ask me about other things.",
        "---",
        "",
    ],
)
def test_what_states_nothing_needs_no_marker(text: str) -> None:
    citing = Citing(NUMBERS, best)
    assert citing.feed(text) + citing.finish() == text
    assert citing.claims == []


@pytest.mark.parametrize(
    "text",
    [
        "Sure, penguins live on the ice.",
        "If you have a receipt, penguins are free.",
        "Here is the price: 30 euros.",
        "Yes: 30 days.",
        "Penguins swim.\n\nThey also eat fish.",
    ],
)
def test_politeness_does_not_hide_a_claim(text: str) -> None:
    assert "[unsupported]" in cite(text, NUMBERS, best)


def test_without_a_judge_nothing_is_added() -> None:
    assert cite("Penguins live on ice.", NUMBERS) == "Penguins live on ice."


def test_tells_what_was_claimed_cited_and_dropped() -> None:
    citing = Citing(NUMBERS, best)
    citing.feed("Hello! Refunds take days. It costs 5 euros [3, 7]. Penguins live on ice.")
    citing.finish()
    assert citing.claims == [
        Claim("Refunds take days.", (2,)),
        Claim("It costs 5 euros.", (3,)),
        Claim("Penguins live on ice.", ()),
    ]
    assert citing.cited == (2, 3)
    assert citing.dropped == [7]


def test_holds_back_at_most_the_sentence_that_is_being_told() -> None:
    citing = Citing(NUMBERS, best)
    told = [
        citing.feed(piece) for piece in ("Refunds take", " days. The", " next one", " is short")
    ]
    assert told == ["", "", "Refunds take days [2].", ""]
    assert citing.finish() == " The next one is short [unsupported]"


def test_a_marker_behind_the_full_stop_belongs_to_the_sentence_before_it() -> None:
    citing = Citing(NUMBERS, best)
    text = "Penguins live on ice. [1] Refunds take days. [2] [3]\nPenguins swim very well. [1]"
    assert citing.feed(text) + citing.finish() == text
    assert [claim.cited for claim in citing.claims] == [(1,), (2, 3), (1,)]


def test_a_sentence_that_wraps_is_one_sentence() -> None:
    text = "Refunds for everything that was bought in a shop\nare paid within five days [1].\n"
    assert cite(text, NUMBERS, best) == text


def test_a_line_without_end_is_passed_on_all_the_same() -> None:
    citing = Citing(NUMBERS)
    told = "".join(citing.feed("word ") for _ in range(2_000))
    assert len(told) >= 4_000


def test_without_markers_is_what_was_said() -> None:
    assert without_markers("It costs 5 [1][2], see `x[1]` [3].") == "It costs 5, see `x[1]`."


LINKS = {1: Link("Returns › EU", "https://h.example/r"), 2: Link("Cards", "moorline://h/c.md#1")}


def test_annotations_have_openais_shape_and_point_at_the_markers() -> None:
    text = "Refunds [1] and cards [2][3]. `x[1]`\n```\n[2]\n```\n"
    found = url_citations(text, LINKS)
    assert found[0] == {
        "type": "url_citation",
        "url_citation": {
            "start_index": 8,
            "end_index": 11,
            "title": "Returns › EU",
            "url": "https://h.example/r",
        },
    }
    places = [each["url_citation"] for each in found]
    assert [text[p["start_index"] : p["end_index"]] for p in places] == ["[1]", "[2]"]


snippets = st.sampled_from(
    [
        "Refunds take five days",
        "Penguins live on ice",
        "e.g. Dr. Smith, No. 5",
        "3.5 kg",
        "v1.2.3",
        "Ünïcode 你好。再见！",
        " [1]",
        "[2, 9]",
        "[unsupported]",
        "[",
        "]",
        "【1†x】",
        ". ",
        ".",
        "! ",
        "? ",
        ": ",
        "\n",
        "\n\n",
        "\n- ",
        "\n1. ",
        "\n# ",
        "\n| a | b |",
        "\n```\n",
        "`x[9]`",
        "**",
        '"',
        ")",
        "…",
        "https://a.example/x.y?z=1.",
        "a long line that merely wraps somewhere behind this word",
        " and",
        " ",
        "\t",
    ]
)
answers = st.lists(snippets, max_size=25).map("".join) | st.text(max_size=120)


@settings(max_examples=400, deadline=None)
@given(text=answers, cuts=st.lists(st.integers(0, 400), max_size=30), strict=st.booleans())
def test_the_pieces_in_which_an_answer_comes_change_nothing(
    text: str, cuts: list[int], strict: bool
) -> None:
    whole = Citing(NUMBERS, best if strict else None)
    wanted = whole.feed(text) + whole.finish()
    pieces = Citing(NUMBERS, best if strict else None)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    told = "".join(pieces.feed(text[a:b]) for a, b in pairwise(edges))
    assert told + pieces.finish() == wanted
    assert pieces.claims == whole.claims


@settings(max_examples=300, deadline=None)
@given(text=answers)
def test_only_markers_are_ever_added_or_taken_away(text: str) -> None:
    def words(told: str) -> str:
        bare = re.sub(r"\[unsupported\]|【[^】\n]*】", "", told)
        return re.sub(r"\[(?:sources?\s)?[\d,;\s]+\]|\s", "", bare)

    told = cite(text, NUMBERS, best)
    assert words(told) == words(text)
    assert all(
        int(n) in NUMBERS for n in re.findall(r"\[(\d)\](?!`)", told) if f"[{n}]" not in text
    )


@pytest.mark.parametrize(
    "unit", ["a. ", "word ", "e.g. ", '."', "1. ", "[1] ", "```x\n", "[", "a\n"]
)
def test_no_answer_takes_more_than_linear_time(unit: str) -> None:
    def answer(length: int) -> None:
        citing = Citing(NUMBERS)
        for _ in range(length // len(unit)):
            citing.feed(unit)
        citing.finish()

    short = cpu_seconds(lambda: answer(1_200))
    assert cpu_seconds(lambda: answer(12_000)) < 60 * max(short, 0.005)
