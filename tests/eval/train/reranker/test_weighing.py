"""How much the way a passage was found counts beside what the reader makes of it."""

from __future__ import annotations

import numpy as np

from eval.train.reranker.judging import Judged, mean
from eval.train.reranker.weighing import fitted_weight, ordered


def question(relevance: list[float], right: str) -> Judged:
    fused = np.array([1.0, 0.6, 0.2])
    return Judged(
        question="?",
        documents=["a", "b", "c"],
        fused=fused,
        dense=fused,
        sparse=fused,
        relevance=np.array(relevance),
        answers=[None] * 3,
        grades={right: 1},
        places=[0, 1, 2],
    )


def test_a_reader_that_is_always_right_is_believed() -> None:
    questions = [question([0.0, 0.0, 9.0], "c"), question([0.0, 9.0, 0.0], "b")]
    weight = fitted_weight({"set": questions})
    assert mean(questions, ordered(weight)) == 1


def test_a_reader_that_is_always_wrong_is_not() -> None:
    questions = [question([0.0, 0.0, 2.0], "a"), question([0.0, 2.0, 0.0], "a")]
    weight = fitted_weight({"set": questions})
    assert mean(questions, ordered(weight)) == 1


def test_each_collection_counts_the_same() -> None:
    many = [question([0.0, 0.1, 0.0], "a")] * 50
    few = [question([0.0, 0.0, 9.0], "c")]
    weight = fitted_weight({"many": many, "few": few})
    assert mean(few, ordered(weight)) == 1
