"""Passages of one text by the words of a question."""

from __future__ import annotations

from context.long_documents.cutting import structured
from context.long_documents.selecting import passages, ranked, within
from context.tokens import counter

FACT = "The lighthouse of Moorhaven was built in 1874 by Ada Finch."
TEXT = "\n\n".join(
    [*(f"Ship number {n} came in with grain and left with oil." for n in range(100)), FACT]
)


def test_the_passage_that_shares_rare_words_comes_first() -> None:
    hits = ranked("Who built the lighthouses?", passages(structured(TEXT), counter()))
    assert FACT in hits[0].passage.text
    assert TEXT[hits[0].passage.start : hits[0].passage.end] == hits[0].passage.text


def test_passages_that_share_no_word_are_not_found() -> None:
    assert ranked("Zeppelins?", passages(structured(TEXT), counter())) == []


def test_words_are_read_by_the_rules_of_the_texts_language() -> None:
    said = "Die Häuser am Hafen wurden im Jahre 1874 von der Stadt gebaut und später verkauft. "
    other = "Die Schiffe kamen jeden Morgen mit Getreide und fuhren am Abend mit Öl davon. "
    text = "\n\n".join([other * 12, said * 3, other * 12])
    best = ranked("Wann wurde das Haus gebaut?", passages(structured(text), counter()))[0]
    assert "Häuser" in best.passage.text


def test_the_best_are_kept_up_to_a_budget_and_one_at_least() -> None:
    hits = ranked("Which ship left with oil?", passages(structured(TEXT), counter()))
    assert len(within(hits, counter(), 10)) == 1
    kept = within(hits, counter(), 400)
    assert sum(counter()(hit.passage.text) for hit in kept) <= 400
    assert kept == hits[: len(kept)]
