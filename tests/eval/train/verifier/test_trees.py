"""The judgement, fitted on a small world of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.verification.pair_model import PairModel
from cache.verification.verifier import PACKAGED, WHOLE
from eval.asked_again import Meant, plain
from eval.pairs import Pair
from eval.train.verifier.trees import Event, fitted, of_pairs, of_stream, write
from retrieval.forest import Forest

TOKENS = PairModel(PACKAGED).tokens
NEAR = np.array([1, 0], dtype=np.float32)
FAR = np.array([0, 1], dtype=np.float32)


def test_pairs_that_are_far_or_ruled_out_are_not_judged() -> None:
    pairs = [
        Pair("a", "b", True, ""), Pair("a", "far", True, ""),
        Pair("take 2", "take 3", False, ""),
    ]  # fmt: skip
    vectors = {"a": NEAR, "b": NEAR, "far": FAR, "take 2": NEAR, "take 3": NEAR}
    assert len(of_pairs(pairs, vectors, TOKENS, 0.5)) == 1
    assert len(of_pairs(pairs, vectors, TOKENS, 0.5, ruled=False)) == 2


def test_a_stream_tells_of_the_wanted_questions_alone() -> None:
    questions = [Meant("a", "one"), Meant("b", "one"), Meant("c", "two")]
    vectors = {"a": NEAR, "b": NEAR, "c": NEAR}
    events = of_stream(questions, vectors, TOKENS, 0.5, plain(2), lambda q: q.intent == "one", 1)
    assert [event.right for event in events] == [True]  # the first of them met an empty cache


def test_trees_learn_what_separates_and_are_written_whole(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm", reason="trees are fitted with the extra `train`")
    pairs = [Pair(f"word {n}", f"word {n}", n % 2 == 0, "") for n in range(400)]
    turned = {
        pair.asked: np.array([1.0, 0.0] if pair.same else [0.8, 0.6], dtype=np.float32)
        for pair in pairs
    }
    events = [
        Event(seen.seen, pair.same)
        for pair in pairs
        for seen in of_pairs([Pair(pair.asked, "known", pair.same, "")],
                             {**turned, "known": NEAR}, TOKENS, 0.5, ruled=False)
    ]  # fmt: skip

    quick, whole = fitted(events, lambda _: 0.0, 1)
    write(tmp_path, quick, whole)
    rows = np.array([[*each.seen.row, 0.0] for each in events], dtype=np.float32)
    scores = Forest.load(tmp_path / WHOLE).predict(rows)
    right = np.array([each.right for each in events])
    assert scores[right].min() > scores[~right].max()
