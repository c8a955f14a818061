"""Rendezvous hashing: the same everywhere, and little moves."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from routing.placement import mirror
from routing.placement.rendezvous import copies_alone, first, kept, ranked
from routing.placement.types import Replica

names = st.lists(st.text(max_size=8), min_size=1, max_size=8, unique=True)


@given(st.text(max_size=12), names, st.text(max_size=8))
def test_who_joins_changes_no_order_of_the_others(adapter: str, names: list[str], new: str) -> None:
    if new in names:
        return
    after = ranked(adapter, (*names, new))
    assert tuple(name for name in after if name != new) == ranked(adapter, tuple(names))


@given(st.text(max_size=12), names)
def test_the_order_of_asking_does_not_matter(adapter: str, names: list[str]) -> None:
    assert ranked(adapter, tuple(names)) == ranked(adapter, tuple(reversed(names)))


def test_who_joins_takes_his_share() -> None:
    before, after = tuple("abcd"), tuple("abcde")
    moved = sum(ranked(str(i), before)[0] != ranked(str(i), after)[0] for i in range(2000))
    assert 300 < moved < 500  # a fifth of 2,000 is 400


def test_adapters_are_spread_evenly() -> None:
    counts = Counter(ranked(f"adapter-{i}@1", tuple("abcdefgh"))[0] for i in range(8000))
    assert all(850 < count < 1150 for count in counts.values())


def test_another_process_arrives_at_the_same_order() -> None:
    code = "from routing.placement.rendezvous import ranked; print(ranked('a@1', ('x', 'y', 'z')))"
    for seed in "01":
        said = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        assert said.strip() == str(ranked("a@1", ("x", "y", "z")))


def test_the_first_choices_are_those_of_the_order() -> None:
    replicas = [Replica(name, 8, 8) for name in "abcd"]
    kept = {replica.name for replica in first("a@1", replicas, 2)}
    assert kept == set(ranked("a@1", tuple("abcd"))[:2])
    assert first("a@1", replicas, 9) == replicas


def test_while_gateways_cannot_talk_an_adapter_has_replicas_by_its_part_of_the_load() -> None:
    replicas = [Replica(name, 8, 8) for name in "abcd"]
    assert copies_alone("a@1", replicas) == 1
    for replica in replicas:
        for adapter in ("hot@1", "hot@1", "hot@1", "cold@1"):
            mirror.entered(replica, adapter, 0, 0.0)
        for number in range(16):
            mirror.entered(replica, f"other-{number}@1", 0, 0.0)
    assert copies_alone("new@1", replicas) == 1
    assert copies_alone("hot@1", replicas) == 3


def test_while_gateways_cannot_talk_an_adapter_stays_where_it_was() -> None:
    replicas = [Replica(name, 8, 8) for name in "abcd"]
    home, *_, last = ranked("a@1", tuple("abcd"))
    mirror.loaded(next(each for each in replicas if each.name == last), "a@1", 0.0)
    assert {replica.name for replica in kept("a@1", replicas)} == {home, last}
