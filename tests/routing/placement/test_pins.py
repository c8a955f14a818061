"""Pins: where, and how many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routing.placement.pins import COPIES, pins, room
from routing.placement.rendezvous import ranked

replicas = st.dictionaries(st.text(max_size=4), st.integers(1, 16), min_size=1, max_size=6)
adapters = st.lists(st.text(max_size=6), max_size=12)


@given(adapters, replicas)
def test_no_replica_keeps_more_than_its_share(critical: list[str], slots: dict[str, int]) -> None:
    kept = pins(critical, slots).kept
    for name, count in slots.items():
        assert len(kept[name]) <= max(0.3 * count, min(1, count - 1))


@given(adapters, replicas)
def test_each_is_kept_twice_or_named(critical: list[str], slots: dict[str, int]) -> None:
    made = pins(critical, slots)
    for adapter in critical:
        copies = sum(adapter in each for each in made.kept.values())
        assert copies == min(COPIES, len(slots)) or adapter in made.short


@given(adapters, st.text(max_size=6), replicas)
def test_who_comes_later_moves_nobody(
    critical: list[str], late: str, slots: dict[str, int]
) -> None:
    before, after = pins(critical, slots), pins([*critical, late], slots)
    for name in slots:
        assert before.kept[name] <= after.kept[name] <= before.kept[name] | {late}


def test_they_are_kept_on_the_first_of_their_order() -> None:
    kept = pins(["a@1"], dict.fromkeys("wxyz", 8)).kept
    order = ranked("a@1", tuple("wxyz"))
    assert [name for name in order if kept[name]] == list(order[:2])


def test_a_third_of_eight_slots_is_two() -> None:
    assert [room(slots) for slots in (1, 2, 3, 4, 8, 10, 16)] == [0, 1, 1, 1, 2, 3, 4]
