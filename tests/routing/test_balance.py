"""Which deployment is asked."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.balance import DECAY, UNKNOWN, Candidate, PeakEwma, chosen
from routing.types import Balance

loads = st.floats(0, 1e6)
candidates = st.lists(
    st.builds(Candidate, loads, st.integers(0, 99), st.floats(0.1, 9), loads), min_size=1
)


@given(st.sampled_from(["latency", "least-busy", "weighted", "cheapest"]), candidates, st.randoms())
def test_somebody_is_always_chosen(
    balance: Balance, candidates: list[Candidate], random: Random
) -> None:
    assert chosen(balance, candidates, random) in range(len(candidates))


@given(candidates.filter(lambda each: len(each) > 1), st.randoms())
def test_of_two_choices_the_worst_is_never_taken(
    candidates: list[Candidate], random: Random
) -> None:
    place = chosen("latency", candidates, random)
    assert sum(each.load >= candidates[place].load for each in candidates) >= 2


def test_two_choices_do_not_send_everybody_to_the_best() -> None:
    random = Random(1)
    four = [Candidate(load=load) for load in (1.0, 1.1, 1.2, 1.3)]
    counts = Counter(chosen("latency", four, random) for _ in range(3000))
    assert counts[0] == pytest.approx(1500, rel=0.1)
    assert counts[1] == pytest.approx(1000, rel=0.1)
    assert counts[3] == 0


def test_two_choices_even_out_what_is_under_way() -> None:
    """A thousand balls in ten bins: at random the fullest bin would hold some 130."""
    random = Random(2)
    under_way = [0] * 10
    for _ in range(1000):
        seen = [Candidate(load=float(each), under_way=each) for each in under_way]
        under_way[chosen("latency", seen, random)] += 1
    assert max(under_way) - min(under_way) <= 6


@given(st.lists(st.floats(0.5, 5), min_size=2, max_size=4))
def test_shares_follow_the_weights(weights: list[float]) -> None:
    random = Random(3)
    weighted = [Candidate(weight=weight) for weight in weights]
    counts = Counter(chosen("weighted", weighted, random) for _ in range(2000))
    for place, weight in enumerate(weights):
        assert counts[place] / 2000 == pytest.approx(weight / sum(weights), abs=0.06)


def test_the_cheapest_is_chosen_and_of_equals_the_quicker() -> None:
    assert chosen("cheapest", [Candidate(1, price=2), Candidate(9, price=1)], Random(0)) == 1
    assert chosen("cheapest", [Candidate(9, price=1), Candidate(1, price=1)], Random(0)) == 1


def test_the_least_busy_are_chosen_alike() -> None:
    busy = [Candidate(under_way=1), Candidate(under_way=5), Candidate(under_way=1)]
    assert {chosen("least-busy", busy, Random(n)) for n in range(20)} == {0, 2}


def test_a_slow_answer_counts_at_once_and_is_forgotten_slowly() -> None:
    seconds = PeakEwma()
    seconds.add(0.1, now=0)
    seconds.add(5.0, now=1)
    assert seconds.value(1) == 5
    seconds.add(0.1, now=2)
    assert 4 < seconds.value(2) < 5


def test_what_is_not_asked_comes_back_to_be_tried() -> None:
    seconds = PeakEwma()
    seconds.add(30.0, now=0)
    assert seconds.value(10 * DECAY) < 0.01


def test_load_grows_with_what_is_under_way() -> None:
    seconds = PeakEwma()
    seconds.add(2.0, now=0)
    assert [seconds.load(n, now=0) for n in (0, 1, 3)] == [2, 4, 8]


def test_a_deployment_that_nobody_knows_gets_one_request_to_begin_with() -> None:
    assert PeakEwma().load(0, now=0) == 0
    assert PeakEwma().load(1, now=0) > UNKNOWN
