from __future__ import annotations

from pathlib import Path

from retrieval.chunking.sentence_window import SentenceWindow
from retrieval.sentences import sentences
from tests.retrieval.chunking import real
from tests.retrieval.chunking.made import block, count, heading, made, paragraph

TELLING = [f"Fact number {i} is worth knowing for the one who asks." for i in range(7)]


def test_each_sentence_is_searched_and_its_neighbours_are_read() -> None:
    passages = SentenceWindow(count, 60, 2).split(made(paragraph(" ".join(TELLING))))
    assert [passage.text.rstrip() for passage in passages] == TELLING
    assert [p.parent for p in passages] == [(0, 2), (0, 3), (0, 4), (1, 5), (2, 6), (3, 6), (4, 6)]


def test_neighbours_are_of_the_same_section() -> None:
    document = made(paragraph(TELLING[0]), heading("New", 2), paragraph(" ".join(TELLING[1:3])))
    passages = SentenceWindow(count, 60, 3).split(document)
    assert [passage.parent for passage in passages] == [None, (1, 2), (1, 2)]


def test_rows_are_sentences_and_code_is_one() -> None:
    code = "def area(a, b):\n    return a * b"
    rows = [block("table", f"sku: {i}; price: {i}.00") for i in range(3)]
    passages = SentenceWindow(count, 60, 1).split(made(*rows, block("code", code)))
    assert [passage.text.rstrip() for passage in passages] == [*(r[1] for r in rows), code]


def test_a_real_speech_is_parted_into_its_sentences(shared_data: Path) -> None:
    text = real.text(shared_data, "state_of_the_union", 0, 9_000)
    document = made(paragraph(text))
    passages = SentenceWindow(real.count, 240, 3).split(document)
    found = [document.text[start:end] for start, end in sentences(document.text)]
    assert [passage.text.rstrip() for passage in passages] == found
    assert len(found) > 80
