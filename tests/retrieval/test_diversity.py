"""Fewer repetitions among what is found."""

from __future__ import annotations

from retrieval.diversity import capped, diverse
from retrieval.types import Hit, Passage


def hit(name: str, text: str, section: str = "") -> Hit:
    return Hit(Passage(name, "d", "v", 0, "", (section or name,), text, 0, 1), 1.0)


def names(hits: list[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


HITS = [
    hit("first", "The pump has a warranty of two years."),
    hit("again", "The pump has a warranty of two whole years."),
    hit("other", "The hose must be cleaned every month."),
]


def test_a_repetition_comes_after_what_is_new() -> None:
    assert names(diverse(HITS, 0.5)) == ["first", "other", "again"]


def test_without_newness_the_order_stands() -> None:
    assert names(diverse(HITS, 0.0)) == ["first", "again", "other"]


def test_nothing_is_lost_or_doubled_however_long_the_list() -> None:
    many = [hit(str(n), f"passage {n // 2} of the long list") for n in range(80)]
    assert sorted(names(diverse(many, 0.7))) == sorted(names(many))


def test_one_section_does_not_fill_the_prompt() -> None:
    hits = [hit("a", "", "s"), hit("b", "", "s"), hit("c", "", "s"), hit("d", "", "other")]
    kept, others = capped(hits, per_section=2)
    assert (names(kept), names(others)) == (["a", "b", "d"], ["c"])
