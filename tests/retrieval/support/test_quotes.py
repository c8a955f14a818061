"""What is quoted."""

from __future__ import annotations

from dataclasses import replace

from retrieval.support.quotes import ALONE, Rules, chosen, quotes
from retrieval.support.reading import marked, read
from retrieval.types import Hit, Span
from tests.retrieval.support.passages import hit

MANUAL = hit(
    "Error E-417 means that the battery is too cold to charge. "
    "Error E-422 means that water was found; the cable has to be disconnected at once. "
    "The case is grey.",
    "Manual Ballast 500",
)
RETURNS_EU = hit("The return window is 30 days from delivery. A label costs €4.95.", "Returns EU")
RETURNS_UK = hit("The return window is 28 days from delivery. A label costs £3.95.", "Returns UK")
WARRANTY = hit("The warranty on winches is 120 months. Sails have none.", "Warranty")
PRICES = hit("The price of a Bollard 40 winch is €745.00. Handles are extra.", "Prices")


def texts(question: str, *hits: Hit) -> list[str]:
    return [q.sentence.text for q in quotes(question, hits, read(question, hits))]


def test_the_code_that_is_asked_for_decides() -> None:
    (quote,) = texts("What does error E-422 mean?", MANUAL)
    assert "water" in quote


def test_of_near_identical_policies_the_title_decides() -> None:
    hits = (RETURNS_EU, RETURNS_UK)
    assert texts("How long is the return window in the UK?", *hits)[0].startswith(
        "The return window is 28 days"
    )
    assert texts("How long is the return window in the EU?", *hits)[0].startswith(
        "The return window is 30 days"
    )


def test_a_question_across_two_documents_is_answered_from_both() -> None:
    found = texts(
        "What does a Bollard 40 winch cost and how long is the warranty on winches?",
        PRICES,
        WARRANTY,
    )
    assert found[0].startswith("The price of a Bollard 40")
    assert "The warranty on winches is 120 months." in found


def test_a_list_is_quoted_with_its_introduction() -> None:
    text = "To return an order you need:\n- the receipt\n- the box\n- the label\nWe reply by mail."
    found = texts("What do you need to return an order?", hit(text))
    assert found[0] == "To return an order you need:"
    assert found[1:4] == ["- the receipt", "- the box", "- the label"]


def test_a_pronoun_brings_the_sentence_that_it_speaks_of() -> None:
    text = "The Squall jacket has taped seams. It is washed at 30 °C and hung to dry."
    question = "At what temperature is the Squall jacket washed?"
    assert texts(question, hit(text)) == [
        "The Squall jacket has taped seams.",
        "It is washed at 30 °C and hung to dry.",
    ]


def test_the_same_words_are_quoted_once() -> None:
    hits = [hit("The return window is 30 days.", name) for name in ("A", "B", "C")]
    assert texts("How long is the return window?", *hits) == ["The return window is 30 days."]


def test_what_is_barred_is_not_quoted() -> None:
    reading = read("What does error E-422 mean?", [MANUAL])
    starts = {(0, sentence.start) for sentence in reading.found[0].sentences[:2]}
    assert [q.sentence.text for q in chosen(reading, ALONE, starts)] == ["The case is grey."]


def test_never_more_than_so_many_sentences() -> None:
    text = " ".join(f"The return window of shop {n} is {n} days." for n in range(10, 30))
    reading = read("How long is the return window?", [hit(text)])
    assert len(chosen(reading, Rules(sentences=3, rivals=9, rival=0, gain=0, apt=0))) == 3


def test_nothing_found_is_nothing_quoted() -> None:
    assert texts("Anything?") == []
    assert texts("Anything?", hit("...")) == []


def test_what_a_reader_marked_decides_between_sentences() -> None:
    text = "The pump is serviced in the workshop. The pump is serviced by the maker."
    second = text.index("the maker")
    sure = Span(second, second + 9, 12.0)
    unsure = Span(0, 8, -12.0)
    question = "Who has serviced the pump?"
    assert texts(question, replace(hit(text), answers=(unsure, sure)))[0].endswith("the maker.")
    turned = (replace(unsure, score=12.0), replace(sure, score=-12.0))
    assert texts(question, replace(hit(text), answers=turned))[0].endswith("the workshop.")


def test_where_nothing_was_read_nothing_changes() -> None:
    reading = read("What does error E-422 mean?", [MANUAL])
    assert marked(reading) is reading
    assert marked(read("What?", [])).candidates == []


def test_a_sentence_that_was_not_read_is_taken_for_middling() -> None:
    answers = (Span(0, 5, 4.0), Span(MANUAL.passage.text.index("The case"), 150, -2.0))
    reading = read("What does error E-422 mean?", [replace(MANUAL, answers=answers)])
    moved = [
        after.score - before.score
        for before, after in zip(reading.candidates, marked(reading).candidates, strict=True)
    ]
    assert moved[0] > moved[1] > moved[2]
    assert abs(sum(each.share for each in marked(reading).candidates) - 1) < 1e-6
