"""A running quantile."""

from __future__ import annotations

from random import Random

import pytest

from routing.quantile import Quantile


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_it_is_near_the_true_one(share: float) -> None:
    random, quantile = Random(5), Quantile()
    samples = [random.lognormvariate(0, 0.8) for _ in range(900)]
    for sample in samples:
        quantile.add(sample)
    assert quantile.value(share) == pytest.approx(sorted(samples)[int(share * 900)], rel=0.12)


def test_what_was_long_ago_fades() -> None:
    quantile = Quantile()
    for _ in range(1000):
        quantile.add(10.0)
    for _ in range(10_000):
        quantile.add(0.1)
    assert quantile.value(0.95) == pytest.approx(0.1, rel=0.1)


def test_nothing_is_known_of_nothing() -> None:
    assert Quantile().value(0.95) == 0


@pytest.mark.parametrize("extreme", [0.0, 1e-9, 1e9])
def test_extremes_are_held(extreme: float) -> None:
    quantile = Quantile()
    quantile.add(extreme)
    assert quantile.value(0.5) > 0
