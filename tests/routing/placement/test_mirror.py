"""Mirrors follow what an engine does."""

from __future__ import annotations

from routing.placement import mirror
from routing.placement.choice import placed
from routing.placement.types import Promise, Replica, Wanted


def with_loaded(adapters: str, slots: int = 2, cpu_slots: int = 3) -> Replica:
    replica = Replica("r", slots, cpu_slots)
    for at, adapter in enumerate(adapters.split()):
        mirror.loaded(replica, adapter, float(at))
    return replica


def test_what_was_used_longest_ago_leaves_the_gpu_and_then_memory() -> None:
    replica = with_loaded("a b c d")
    assert list(replica.gpu) == ["c", "d"]
    assert list(replica.cpu) == ["b", "c", "d"]


def test_use_keeps_it() -> None:
    replica = with_loaded("a b")
    mirror.touched(replica, "a", 5.0)
    mirror.touched(replica, "c", 6.0)
    assert replica.gpu == {"a": 5.0, "c": 6.0}


def test_what_runs_is_not_dropped() -> None:
    replica = with_loaded("a b")
    mirror.entered(replica, "a", 10, 3.0)
    mirror.touched(replica, "b", 4.0)
    mirror.touched(replica, "c", 5.0)
    assert "a" in replica.gpu


def test_what_is_pinned_is_not_dropped() -> None:
    replica = with_loaded("a b")
    mirror.pinned(replica, {"a"})
    mirror.touched(replica, "c", 5.0)
    assert list(replica.gpu) == ["a", "c"]


def test_a_request_is_counted_until_it_is_over() -> None:
    replica = with_loaded("")
    mirror.entered(replica, "a", 10, 0.0)
    mirror.entered(replica, "a", 20, 0.0)
    mirror.entered(replica, None, 30, 0.0)
    assert (replica.in_flight, replica.unread, replica.under_way) == (3, 60, {"a": 2})
    mirror.answering(replica, "a", 10)
    mirror.left(replica, "a", 0, 1.0)
    mirror.left(replica, "a", 20, 1.0)  # broke off before its first token
    mirror.left(replica, None, 30, 1.0)
    assert (replica.in_flight, replica.unread, replica.under_way) == (0, 0, {})


def test_loads_are_reckoned_one_after_another() -> None:
    replica = with_loaded("", slots=4, cpu_slots=4)
    mirror.entered(replica, "a", 0, 0.0)
    mirror.entered(replica, "b", 0, 0.0)
    assert replica.loading == {"a": 0.6, "b": 1.2}
    mirror.answering(replica, "a", 0)
    assert replica.loading == {"b": 1.2}


def test_what_could_not_be_loaded_is_nowhere() -> None:
    replica = with_loaded("")
    mirror.entered(replica, "a", 0, 0.0)
    mirror.evicted(replica, "a")
    assert not replica.gpu
    assert not replica.cpu
    assert not replica.loading


def test_other_gateways_are_assumed_to_send_as_much_until_they_can_have_told() -> None:
    x, y = with_loaded("a"), with_loaded("a")
    y.name, y.unread = "y", 1500
    mirror.entered(x, "a", 1000, 0.0)
    mirror.assumed(x, 2, 1000, 0.0, told_within=0.02)
    for now, replica in ((0.01, "y"), (0.03, "r")):
        placement = placed(Wanted("a"), [x, y], now)
        assert placement
        assert placement.replica == replica
    mirror.assumed(x, 0, 1000, 0.03, told_within=0.02)
    assert x.assumed == ()


def test_a_promise_is_kept_when_it_is_taken_up() -> None:
    replica = with_loaded("a b")
    mirror.promised(replica, Promise("c", "a", 9.0))
    mirror.entered(replica, "b", 0, 1.0)
    assert replica.promise
    mirror.entered(replica, "c", 0, 1.0)
    assert replica.promise is None


def test_what_an_engine_does_not_list_is_not_there() -> None:
    replica = with_loaded("a b")
    mirror.entered(replica, "new", 0, 1.0)
    mirror.reconciled(replica, ["b"])
    assert list(replica.cpu) == ["b", "new"]  # it is being loaded: the list may be older


def test_what_it_lists_beyond_what_is_known_may_be_in_memory() -> None:
    replica = with_loaded("a")
    mirror.reconciled(replica, ["a", "x", "y", "z"])
    assert list(replica.cpu) == ["x", "y", "a"]
    assert list(replica.gpu) == ["a"]


def test_where_an_engine_tells_where_adapters_are_it_is_believed_of_idle_ones() -> None:
    replica = Replica("a", slots=2, cpu_slots=4)
    for name in ("gone", "demoted", "running"):
        mirror.touched(replica, name, 1.0)
    mirror.entered(replica, "running", 0, 2.0)
    mirror.resident(replica, {"demoted": {"cpu"}, "unseen": {"cpu", "gpu"}})
    assert list(replica.gpu) == ["unseen", "running"]
    assert list(replica.cpu) == ["unseen", "demoted", "running"]


def test_fewer_slots_than_before_leave_no_more_than_fit() -> None:
    replica = with_loaded("a b c d e", slots=5, cpu_slots=5)
    replica.slots, replica.cpu_slots = 1, 2
    mirror.reconciled(replica, ["a", "b", "c", "d", "e", "f", "g"])
    mirror.loaded(replica, "e", 9.0)
    assert list(replica.gpu) == ["e"]
    assert list(replica.cpu) == ["d", "e"]
