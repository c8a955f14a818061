"""Which words are near another, and which terms are known."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from rapidfuzz.distance import OSA

from retrieval.spelling.lexicon import Lexicon


def lexicon(*words: str, terms: Iterable[int] = ()) -> Lexicon:
    return Lexicon(dict.fromkeys(words, 1), terms)


@pytest.mark.parametrize("written", ["moorlnie", "mooorline", "moorlie", "moorlime"])
def test_each_kind_of_error_is_one_edit(written: str) -> None:
    (near,) = lexicon("moorline", "mainline", "gateway").near(written, 1)
    assert (near.word, near.edits) == ("moorline", 1)


def test_no_word_within_the_distance_is_missed() -> None:
    chosen = random.Random(13)
    words = {"".join(chosen.choices("abcdeé", k=chosen.randint(3, 9))) for _ in range(2000)}
    known = lexicon(*words)
    for word in sorted(words)[:100]:
        for edits in (1, 2):
            near = {one.word for one in known.near(word + "a", edits)}
            assert near == {one for one in words if OSA.distance(word + "a", one) <= edits}


def test_words_come_back_with_what_counts_them() -> None:
    counts = {"pump": 3, "hose": 2, "warranty": 1}
    known = Lexicon(counts, [7, 5, 7])
    assert dict(known) == counts
    assert known.size == 3
    assert list(known.terms) == [5, 7]
    assert (known.knows(5), known.knows(6)) == (True, False)


def test_nothing_is_near_where_there_is_nothing() -> None:
    assert lexicon().near("moorline", 2) == []
    assert not lexicon().knows(1)
