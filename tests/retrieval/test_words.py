"""Words: what a written word is found under."""

from __future__ import annotations

import pytest

from retrieval.words import query_terms, terms
from tests.effort import cpu_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The returned shipments were shipping", ["return", "shipment", "ship"]),
        ("EU-4021-B", ["eu-4021-b", "eu", "4021", "b"]),
        ("foo_bar", ["foo_bar", "foo", "bar"]),
        ("getHTTPResponse", ["gethttprespons", "get", "http", "respons"]),
        ("§ 12(3)", ["§12(3)", "§12", "12"]),
        ("§12", ["§12", "12"]),
        ("1,000 and 1000, 1,000.00", ["1000", "1000", "1000"]),
        ("$49.90 or 12.5%", ["49.90", "12.5"]),
        ("1,2345", ["1", "2345"]),
        ("2024-01-15", ["2024-01-15", "2024", "01", "15"]),
        ("the 1980s", ["1980s", "1980"]),
        ("long-term", ["long", "term"]),
        ("e-mail", ["e", "mail", "email"]),
        ("U.S. e.g. IT", ["us", "it"]),
        ("C++ and C#", ["c++", "c#"]),
        ("company's O’Brien don't", ["compani", "obrien"]),
        ("café naïve", ["cafe", "naiv"]),
        ("приложение", ["приложение"]),
        ("分词测试", ["分词", "词测", "测试"]),
        ("", []),
        ("... -- !", []),
    ],
)
def test_a_text_is_found_under_these_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_an_identifier_in_another_spelling_shares_its_parts() -> None:
    assert set(terms("order EU 4021 B")) & set(terms("EU-4021-B")) == {"eu", "4021", "b"}


def test_terms_repeat_as_often_as_they_occur() -> None:
    assert terms("fee, fees and a fee") == ["fee", "fee", "fee"]


def test_a_question_drops_its_question_words() -> None:
    assert query_terms("Who was the first president, and when?") == ["first", "presid"]


def test_a_document_keeps_question_words() -> None:
    assert terms("The Who") == ["who"]


def test_a_question_of_question_words_alone_keeps_them() -> None:
    assert query_terms("Who?") == ["who"]


def test_an_acronym_is_not_the_word_it_spells() -> None:
    assert query_terms("Does the WHO advise on it?") == ["who", "advis"]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Die Kündigungen der Versicherungen", ["kundig", "versicher"]),
        ("de", "deutsch-französische Straße", ["deutsch", "franzos", "strass"]),
        ("fr", "l'assurance et les assurances", ["assur", "assur"]),
        ("es", "¿Cuánto duran las garantías?", ["cuant", "dur", "garant"]),
        ("ru", "гарантии по договорам", ["гарант", "договор"]),
        ("de", "Die GmbH hat EU-4021-B", ["gmbh", "eu-4021-b", "eu", "4021", "b"]),
        ("xx", "slova zůstanou", ["slova", "zustanou"]),
    ],
)
def test_endings_are_those_of_the_language(language: str, text: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


def test_a_question_is_read_in_every_language_that_it_may_be_in() -> None:
    asked = query_terms("Wie lange gelten die Versicherungen?", ("de", "en"))
    assert set(terms("Versicherung", "de")) <= set(asked)
    assert set(terms("Versicherungen")) <= set(asked)


def test_what_an_own_article_spells_is_not_looked_for_in_english() -> None:
    assert "die" not in query_terms("Wann endet die Garantie?", ("de", "en"))


def test_a_question_of_nothing_but_small_words_still_asks_something() -> None:
    assert query_terms("Wer ist das?", ("de", "en"))


@pytest.mark.parametrize("piece", ["a", "a.-", "1,", "111,", "§1(a)", "a'", "1.", "1,111"])
def test_time_grows_with_length_alone(piece: str) -> None:
    short = cpu_seconds(lambda: terms(piece * 10_000))
    assert cpu_seconds(lambda: terms(piece * 100_000)) < 40 * max(short, 0.005)
