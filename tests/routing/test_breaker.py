"""A deployment that keeps failing is left alone, and comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing.breaker import Breaker
from routing.config import BreakerConfig

CONFIG = BreakerConfig(failures=3, open_seconds=10, longest_open=60, probes=2)


def failing(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        era = breaker.enter(now)
        assert era is not None
        breaker.failed(era, now)


def opened(config: BreakerConfig = CONFIG) -> Breaker:
    breaker = Breaker(config)
    failing(breaker, config.failures)
    return breaker


def probe(breaker: Breaker, now: float) -> int:
    era = breaker.enter(now)
    assert era is not None
    return era


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(CONFIG)
    failing(breaker, 2)
    breaker.succeeded(probe(breaker, 0), 0)
    failing(breaker, 2)
    assert breaker.admits(0)
    failing(breaker, 1)
    assert not breaker.admits(0)
    assert breaker.wait(4) == 6


def test_it_opens_at_an_error_rate_of_enough_calls() -> None:
    breaker = Breaker(BreakerConfig(failures=99, error_rate=0.5, minimum_calls=10))
    for _ in range(4):
        breaker.succeeded(probe(breaker, 0), 0)
        failing(breaker, 1)
    assert breaker.admits(0)  # half of eight, which are too few to believe
    breaker.succeeded(probe(breaker, 0), 0)
    failing(breaker, 1)
    assert not breaker.admits(0)


def test_what_is_long_ago_counts_no_longer() -> None:
    breaker = Breaker(BreakerConfig(failures=99, error_rate=0.5, minimum_calls=4, window=60))
    failing(breaker, 3, now=0)
    failing(breaker, 1, now=61)
    assert breaker.admits(61)


def test_it_opens_when_most_calls_are_slow() -> None:
    breaker = Breaker(BreakerConfig(slow_rate=0.8, minimum_calls=5))
    told = [breaker.succeeded(probe(breaker, 0), 0, slow=True) for _ in range(5)]
    assert told == [False] * 4 + [True]
    assert not breaker.admits(0)


def test_an_answer_that_broke_off_counts_as_a_failure() -> None:
    breaker = Breaker(BreakerConfig(error_rate=1.0, minimum_calls=4))
    eras = [probe(breaker, 0) for _ in range(4)]
    for era in eras:
        breaker.succeeded(era, 0)
    assert [breaker.cut(era, 1) for era in eras] == [False, False, False, True]
    assert not breaker.admits(1)


def test_probes_close_it_when_all_of_them_succeed() -> None:
    breaker = opened()
    first, second = probe(breaker, 10), probe(breaker, 10)
    assert not breaker.admits(10)  # no third one
    assert not breaker.succeeded(first, 11)
    assert breaker.succeeded(second, 11)
    assert all(breaker.enter(11) is not None for _ in range(9))  # more than there are probes


def test_it_stays_open_longer_each_time_the_probes_fail() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(5):
        waits.append(breaker.wait(now) or 0.0)
        now += waits[-1]
        breaker.failed(probe(breaker, now), now)
    assert waits == [10, 20, 40, 60, 60]


def test_after_a_while_of_health_it_starts_with_short_breaks_again() -> None:
    breaker = opened()
    for _ in range(2):
        breaker.succeeded(probe(breaker, 10), 10)
    failing(breaker, 3, now=11)
    assert breaker.wait(11) == 20  # it was well for a second only
    for _ in range(2):
        breaker.succeeded(probe(breaker, 31), 31)
    failing(breaker, 3, now=100)
    assert breaker.wait(100) == 10


def test_a_slow_probe_is_a_failed_one() -> None:
    breaker = opened()
    assert breaker.succeeded(probe(breaker, 10), 10, slow=True)
    assert breaker.wait(10) == 20


def test_a_probe_that_the_caller_left_gives_its_place_back() -> None:
    breaker = opened()
    eras = [probe(breaker, 10), probe(breaker, 10)]
    breaker.left(eras[0])
    assert breaker.admits(10)
    probe(breaker, 10)
    assert not breaker.admits(10)


def test_what_was_begun_before_it_opened_says_nothing_of_now() -> None:
    breaker = Breaker(CONFIG)
    late = [probe(breaker, 0) for _ in range(3)]
    failing(breaker, 3)
    probes = [probe(breaker, 10), probe(breaker, 10)]
    breaker.succeeded(late[0], 10)
    breaker.failed(late[1], 10)
    breaker.left(late[2])
    assert breaker.state == "half-open"
    assert not breaker.admits(10)
    assert [breaker.succeeded(era, 11) for era in probes] == [False, True]


@pytest.mark.parametrize(("forced", "admits"), [("open", False), ("closed", True)])
def test_an_admin_has_the_last_word(forced: str, admits: bool) -> None:
    breaker = Breaker(CONFIG)
    breaker.force(forced)  # type: ignore[arg-type]
    for _ in range(9):
        if (era := breaker.enter(0)) is not None:
            breaker.failed(era, 0)
    assert breaker.admits(1e9) is admits
    breaker.force("auto")
    assert breaker.admits(0)


def test_it_opens_and_closes_when_others_say_so() -> None:
    breaker = Breaker(CONFIG)
    breaker.open_for(30, times=2, now=0)
    assert breaker.wait(0) == 30
    breaker.close(1)
    assert breaker.admits(1)


class Life(RuleBasedStateMachine):
    """Anything may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(CONFIG)
        self.now = 0.0
        self.under_way: list[tuple[int, str]] = []  # era, and the state in which it entered

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def somebody_calls(self) -> None:
        admitted = self.breaker.admits(self.now)
        era = self.breaker.enter(self.now)
        assert (era is not None) is admitted
        if era is not None:
            self.under_way.append((era, self.breaker.state))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), slow=st.booleans())
    def a_call_ends(self, data: st.DataObject, slow: bool) -> None:
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        era, _ = self.under_way.pop(place)
        match data.draw(st.sampled_from(["succeeded", "failed", "left", "cut"])):
            case "succeeded":
                self.breaker.succeeded(era, self.now, slow=slow)
            case "failed":
                self.breaker.failed(era, self.now)
            case "left":
                self.breaker.left(era)
            case "cut":
                self.breaker.succeeded(era, self.now)
                self.breaker.cut(era, self.now)

    @rule(forced=st.sampled_from(["auto", "open", "closed"]))
    def an_admin_speaks(self, forced: str) -> None:
        self.breaker.force(forced)  # type: ignore[arg-type]

    @rule(seconds=st.floats(0, 60), times=st.integers(1, 5))
    def others_find_it_down(self, seconds: float, times: int) -> None:
        self.breaker.open_for(seconds, times, self.now)

    @rule()
    def others_find_it_well(self) -> None:
        self.breaker.close(self.now)

    @invariant()
    def never_more_probes_than_allowed(self) -> None:
        era = self.breaker.era
        probes = [state for entered, state in self.under_way if entered == era]
        assert probes.count("half-open") <= CONFIG.probes

    def teardown(self) -> None:
        """Whatever came before: once calls succeed, it closes, if nobody forbids it."""
        for era, _ in self.under_way:
            self.breaker.left(era)
        if self.breaker.forced == "open":
            return
        self.now += CONFIG.longest_open
        for _ in range(CONFIG.probes):
            self.breaker.succeeded(probe(self.breaker, self.now), self.now)
        assert self.breaker.state == "closed"


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(st.sampled_from(["well", "ill"]), max_size=60))
def test_it_never_opens_on_fewer_failures_than_it_takes(story: list[str]) -> None:
    breaker = Breaker(BreakerConfig(failures=4, minimum_calls=1000))
    in_a_row = 0
    for each in story:
        era = breaker.enter(0)
        assert era is not None
        in_a_row = in_a_row + 1 if each == "ill" else 0
        turned = breaker.failed(era, 0) if each == "ill" else breaker.succeeded(era, 0)
        assert turned is (in_a_row == 4)
        if turned:
            break
