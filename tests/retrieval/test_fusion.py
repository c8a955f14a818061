"""Ranked lists into one."""

from __future__ import annotations

from typing import Literal

import pytest

from retrieval.config import RetrievalConfig
from retrieval.fusion import fused, joined, reciprocal_rank, weighted
from retrieval.types import Hit, Legs, Passage


def hit(name: str, score: float, section: str = "") -> Hit:
    passage = Passage(name, "d", "v", 0, "t", (section or name,), name, 0, 1)
    return Hit(passage, score)


LEGS = Legs(
    dense=[hit("a", 0.9), hit("b", 0.5), hit("c", 0.1)],
    sparse=[hit("b", 8.0), hit("d", 4.0), hit("a", 2.0)],
)


def test_weighted_blends_what_both_halves_say() -> None:
    blend = weighted(LEGS, dense_weight=0.4)
    scores = {h.passage.id: h.score for h in blend}
    assert scores == pytest.approx(
        {"b": 0.4 * 0.5 + 0.6, "a": 0.4 + 0.6 * 0.25, "d": 0.6 * 0.5, "c": 0.0}
    )
    assert [h.passage.id for h in blend] == ["b", "a", "d", "c"]


def test_every_hit_keeps_the_scores_that_made_it() -> None:
    by_id = {h.passage.id: h for h in weighted(LEGS, 0.4)}
    assert (by_id["a"].dense, by_id["a"].sparse) == (0.9, 2.0)
    assert (by_id["c"].dense, by_id["c"].sparse) == (0.1, None)
    assert (by_id["d"].dense, by_id["d"].sparse) == (None, 4.0)


@pytest.mark.parametrize("legs", [Legs([], []), Legs([hit("a", 0.3)], [])])
def test_an_empty_half_is_no_failure(legs: Legs) -> None:
    assert [h.passage.id for h in weighted(legs, 0.4)] == [h.passage.id for h in legs.dense]


def test_reciprocal_rank_sums_over_both_halves() -> None:
    blend = reciprocal_rank(LEGS, k=60)
    assert [h.passage.id for h in blend][:2] == ["b", "a"]
    assert blend[0].score == pytest.approx((1 / 62 + 1 / 61) / (2 / 61))


@pytest.mark.parametrize("fusion", ["weighted", "reciprocal"])
def test_the_configuration_says_how(fusion: Literal["weighted", "reciprocal"]) -> None:
    config = RetrievalConfig(fusion=fusion, dense_weight=0.4)
    expected = weighted(LEGS, 0.4) if fusion == "weighted" else reciprocal_rank(LEGS)
    assert fused(LEGS, config) == expected


def names(hits: list[Hit]) -> list[str]:
    return [each.passage.id for each in hits]


def test_the_question_has_more_say_than_all_its_wordings() -> None:
    plain = [hit("a", 1.0), hit("b", 0.5)]
    wordings = [[hit("c", 1.0), hit("b", 0.9)], [hit("d", 1.0), hit("b", 0.9)]]
    together = joined(plain, wordings)
    assert {each.passage.id: each.score for each in together} == pytest.approx(
        {"b": 0.3 + 0.36, "a": 0.6, "c": 0.2, "d": 0.2}
    )
    assert names(together) == ["b", "a", "c", "d"]


def test_what_only_wordings_find_does_not_come_first() -> None:
    astray = [[hit("c", 1.0)], [hit("c", 1.0)], [hit("c", 1.0)]]
    assert names(joined([hit("a", 1.0)], astray)) == ["a", "c"]


def test_without_wordings_nothing_changes() -> None:
    plain = [hit("b", 0.6), hit("a", 0.6)]
    assert joined(plain, []) == plain


def test_what_only_a_wording_found_is_not_compared_with_the_question() -> None:
    plain = weighted(LEGS, 0.4)
    (found,) = (one for one in joined(plain, [weighted(Legs([hit("e", 0.9)], []), 0.4)])
                if one.passage.id == "e")  # fmt: skip
    assert (found.dense, found.sparse) == (None, None)
    assert all(one.dense is not None or one.sparse is not None for one in plain)
