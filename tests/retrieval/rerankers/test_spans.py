"""The stretches of a text that may answer."""

from __future__ import annotations

import numpy as np

from retrieval.rerankers.spans import best_spans

TEXT = "It lasts forty-two years."
OFFSETS = [(0, 2), (3, 8), (9, 12), (12, 14), (14, 15), (15, 18), (19, 24), (24, 25)]


def likely(*places: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    logits = np.full(len(OFFSETS), -5, dtype=np.float32)
    logits[list(places)] = 4
    return logits


def test_the_likeliest_first_and_last_token_bound_it() -> None:
    (span,) = best_spans(TEXT, likely(2), likely(6), 0.0, OFFSETS)
    assert TEXT[span.start : span.end] == "forty-two years"
    assert span.score == 8


def test_words_are_not_cut() -> None:
    (span,) = best_spans(TEXT, likely(3), likely(3), 0.0, OFFSETS)
    assert TEXT[span.start : span.end] == "forty"


def test_it_never_ends_before_it_begins() -> None:
    (span,) = best_spans(TEXT, likely(6), likely(1), 0.0, OFFSETS)
    assert span.start < span.end


def test_what_speaks_for_no_answer_speaks_against_it_twice() -> None:
    (span,) = best_spans(TEXT, likely(2), likely(6), 5.0, OFFSETS)
    assert span.score == -2


def test_a_text_without_tokens_has_none() -> None:
    nothing = np.zeros(0, dtype=np.float32)
    assert best_spans("", nothing, nothing, 0.0, []) == ()


def test_each_sentence_has_its_own() -> None:
    text = "He was born there. She died here."
    offsets = [(0, 2), (3, 6), (7, 11), (12, 17), (17, 18)]
    offsets += [(19, 22), (23, 27), (28, 32), (32, 33)]
    ends = np.array([0, 0, 0, 3, 0, 0, 0, 2, 0], dtype=np.float32)
    starts = np.array([0, 0, 0, 3, 0, 0, 0, 0, 0], dtype=np.float32)
    first, second = best_spans(text, starts, ends, 0.0, offsets)
    assert text[first.start : first.end] == "there"
    assert first.score == 6
    assert text[second.start : second.end].endswith("here")
    assert second.start >= 19
