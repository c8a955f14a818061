"""Which words of a question are looked for otherwise, and as what."""

from __future__ import annotations

import pytest

from retrieval.sparse import term_id
from retrieval.spelling.correcting import (
    Correction,
    borne_out,
    corrections,
    unknown,
    weights,
)
from retrieval.spelling.lexicon import Lexicon
from retrieval.types import Hit, Passage
from retrieval.words import spelt, terms_of, written


def lexicon(text: str) -> Lexicon:
    words = [word for raw in written(text) for word in spelt(raw)]
    terms = [term for raw in written(text) for term in terms_of(raw)]
    return Lexicon({word: words.count(word) for word in words}, map(term_id, terms + words))


KNOWN = lexicon(
    "Moorline keeps its receipts. EU-4021-B is a pump. Beyoncé Knowles. Travel, their things. "
    "Normandy, Normandy, Normanby. Organization. data2vec"
)


def meant(question: str, *words: Lexicon) -> list[str]:
    searched = words or (KNOWN,)
    return [str(one) for one in corrections(unknown(question, ("en",), searched), searched)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What does Mooorline keep?", ["mooorline → moorline (×0.9)"]),
        ("What does Mooorlien keep?", ["mooorlien → moorline (×0.8)"]),
        ("Who is Beyonce Knowels?", ["knowels → knowles (×0.9)"]),
        ("Where is Normanyd?", ["normanyd → normandy (×0.9)"]),
        ("Which organizatoin?", ["organizatoin → organization (×0.9)"]),
    ],
)
def test_a_misspelt_word_is_looked_for_as_it_is_meant(question: str, expected: list[str]) -> None:
    assert meant(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Who keeps Moorline?",
        "Travels of the organizations, keeping a receipt",  # other forms of known words
        "EU-4021-C, EU-4022-B, EU4021B, pump2, dqta2vec, pmup_x",  # another number is another thing
        "Is pmp an eagle?",  # three letters, and far
        "Where are thier things?",  # a word that only joins others
    ],
)
def test_what_is_known_short_or_an_identifier_is_left_alone(question: str) -> None:
    assert meant(question) == []


def test_of_words_as_near_the_more_frequent_one_is_meant() -> None:
    assert meant("Where is Normanty?") == ["normanty → normandy (×0.9)"]


def test_a_question_of_unknown_words_is_in_another_language() -> None:
    assert meant("Travle reciepts Normanyd Knowels orgnization") == []


def test_words_that_others_may_read_are_not_taken() -> None:
    assert meant("Mooorline", lexicon("a pump"), lexicon("a hose")) == []
    assert meant("Mooorline", lexicon("a pump"), KNOWN) == ["mooorline → moorline (×0.9)"]


def test_what_is_meant_counts_less_under_its_terms() -> None:
    found = [Correction("insurence", "insurance", 0.9)]
    assert weights(found, ("en", "de")) == {"insur": 0.9, "insuranc": 0.9}


def test_only_what_a_passage_bears_is_told() -> None:
    hit = Hit(Passage("1", "a", "v", 0, "", ("Beyoncé",), "Her moorlines.", 0, 1), 1.0)
    found = [Correction("beyonse", "beyonce", 0.7), Correction("morline", "moorline", 0.7)]
    assert borne_out(found, [hit]) == found[:1]
    assert borne_out(found, []) == []
