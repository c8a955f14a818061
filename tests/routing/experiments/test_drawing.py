"""Who gets which variant."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from routing.experiments.drawing import drawn

SHARES = {"a": 0.5, "b": 0.3}


def variant(experiment: str, who: str) -> str | None:
    found = drawn(experiment, who, SHARES)
    return found.variant if found else None


def test_a_caller_stays_with_his_variant_and_changes_names_nowhere() -> None:
    one, same = drawn("tone", "k_1", SHARES), drawn("tone", "k_1", SHARES)
    assert one == same
    assert one
    assert one.label == f"tone/{one.variant}"
    assert "k_1" not in one.unit


def test_shares_are_kept_within_what_chance_allows() -> None:
    n = 20_000
    seen = Counter(variant("tone", f"caller {number}") for number in range(n))
    for name, share in [*SHARES.items(), (None, 0.2)]:
        assert abs(seen[name] / n - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_experiments_draw_independently_of_each_other() -> None:
    callers = [f"caller {number}" for number in range(20_000)]
    of_a = [who for who in callers if variant("tone", who) == "a"]
    both = sum(variant("model", who) == "a" for who in of_a) / len(of_a)
    assert abs(both - 0.5) < 4 * math.sqrt(0.25 / len(of_a))


@given(st.text(), st.text(), st.floats(0.01, 0.99))
def test_a_larger_share_takes_nobody_out(experiment: str, who: str, share: float) -> None:
    few = drawn(experiment, who, {"a": share})
    more = drawn(experiment, who, {"a": min(1.0, share + 0.1)})
    assert few is None or few == more
    assert drawn(experiment, who, {"a": 1.0}) is not None
