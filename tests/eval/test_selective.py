"""Risk and coverage: what is held back first, and what that leaves."""

from __future__ import annotations

import numpy as np
import pytest

from eval.selective import area, coverage, gain, interval, risks

SURE = np.array([0.9, 0.2, 0.7, 0.4])
WRONG = np.array([0, 1, 0, 1])


def test_risk_is_the_share_of_wrong_ones_among_the_surest() -> None:
    assert risks(SURE, WRONG) == pytest.approx([0, 0, 1 / 3, 1 / 2])


def test_the_area_is_the_mean_risk_of_all_coverages() -> None:
    assert area(SURE, WRONG) == pytest.approx((1 / 3 + 1 / 2) / 4)
    assert area(-SURE, WRONG) > area(SURE, WRONG)


def test_coverage_is_the_most_that_can_be_answered_at_a_risk() -> None:
    assert coverage(0.05)(SURE, WRONG) == 0.5
    assert coverage(0.34)(SURE, WRONG) == 0.75
    assert coverage(0.5)(SURE, WRONG) == 1.0
    assert coverage(0.4)(SURE, np.ones(4)) == 0.0


def test_an_interval_holds_the_statistic_and_is_the_same_every_time() -> None:
    found = interval(area, list(SURE) * 20, [bool(w) for w in WRONG] * 20)
    assert found.low <= found.mean <= found.high
    assert found == interval(area, list(SURE) * 20, [bool(w) for w in WRONG] * 20)


def test_a_better_order_gains() -> None:
    wrong = [bool(w) for w in WRONG] * 20
    found = gain(area, list(SURE) * 20, list(-SURE) * 20, wrong)
    assert found.high < 0  # less risk


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="nothing"):
        interval(area, [], [])
