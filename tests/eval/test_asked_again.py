"""A cache that starts empty, and questions that come to it."""

from __future__ import annotations

import numpy as np

from eval.asked_again import Meant, margin, plain, stream

ASKED = [Meant("a", "one"), Meant("b", "one"), Meant("c", "two"), Meant("d", "two")]
VECTORS = np.array([[1, 0], [0.96, 0.28], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32)


def test_a_miss_is_kept_and_a_hit_is_not() -> None:
    told = list(stream(ASKED, VECTORS, 0.5, plain(0.95)))
    assert [each.chosen is not None for each in told] == [False, True, False, True]
    assert [len(each.candidates) for each in told] == [0, 1, 1, 2]
    assert [each.right for each in told] == [False, True, False, True]


def test_the_nearest_comes_first() -> None:
    last = list(stream(ASKED, VECTORS, 0.5, plain(2)))[-1]
    assert [each.entry.question for each in last.candidates] == ["c", "b", "a"]


def test_a_margin_wants_a_lead_over_another_answer() -> None:
    told = list(stream(ASKED, VECTORS, 0.5, margin(0.7, 0.2)))
    assert [each.chosen is not None for each in told] == [False, True, True, False]
    assert not told[2].right


def test_what_is_never_kept_answers_nothing() -> None:
    told = list(stream(ASKED, VECTORS, 0.5, plain(0.95), never_kept=("one",)))
    assert [len(each.candidates) for each in told] == [0, 0, 0, 1]
