"""What holds of a request."""

from __future__ import annotations

import pytest

from routing.config import Rule
from routing.rules import Signals, condition, holds, names

SEEN: Signals = {
    "task": "code",
    "p_cheap": 0.5,
    "tokens": 9_000,
    "images": False,
    "grounded": True,
    "region": ("eu",),
    "language": "",
}


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ("", True),
        ("task = 'code' and p_cheap < 0.6 and tokens > 8000", True),
        ("task in ('summary', 'code')", True),
        ("task != 'code'", False),
        ("tokens >= 9000 and tokens <= 9000", True),
        ("tokens = 9000", True),
        ("tokens > 9000 or not images = true", True),
        ("grounded = true", True),
        ("grounded = 1", False),  # a truth is no number
        ("task > 3", False),
        ("region = 'eu' and region exists", True),
        ("complexity = 'simple'", False),  # not known
        ("complexity != 'simple'", True),
        ("complexity exists", False),
    ],
)
def test_a_condition_holds_or_not(when: str, held: bool) -> None:
    assert holds(condition(when), SEEN) is held


def test_the_signals_that_a_condition_asks_about_are_known() -> None:
    asked = names(condition("task = 'code' and (tokens > 5 or not (team = 'x' or key exists))"))
    assert asked == {"task", "tokens", "team", "key"}


@pytest.mark.parametrize(
    ("when", "why"),
    [("weather = 'fine'", "no signal 'weather'; there are task,"), ("task = ", "expected a value")],
)
def test_a_rule_that_makes_no_sense_is_refused_when_it_is_read(when: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Rule(name="odd", when=when, use=("a/one",))
