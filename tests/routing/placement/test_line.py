"""The line for slots: whose turn it is, and that everybody's comes."""

from __future__ import annotations

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from routing.placement import mirror
from routing.placement.choice import placed
from routing.placement.line import Line
from routing.placement.types import RANK, Knobs, Priority, Promise, Replica, Wanted
from tests.effort import cpu_seconds

KNOBS = Knobs()


def full(busy: str) -> Replica:
    replica = Replica("r", slots=len(busy.split()), cpu_slots=8)
    for adapter in busy.split():
        mirror.entered(replica, adapter, 0, 0.0)
    return replica


def test_who_came_first_is_next() -> None:
    replica, line = full("a"), Line(KNOBS)
    first = line.join(Wanted("b"), 0.0)
    line.join(Wanted("c"), 0.1)
    assert line.next([replica], 0.2) is None
    mirror.left(replica, "a", 0, 0.3)
    admission = line.next([replica], 0.3)
    assert admission
    assert admission.ticket is first
    assert len(line) == 1


def test_a_priority_is_a_head_start_of_seconds() -> None:
    replica, line = full(""), Line(KNOBS)
    replica.slots = 1
    patient = line.join(Wanted("low", "low"), 0.0)
    late = line.join(Wanted("high", "high"), 2.5)
    soon = line.join(Wanted("critical", "critical"), 2.5)
    order = []
    while admission := line.next([replica], 2.6):
        order.append(admission.ticket)
    assert order == [soon, patient, late]


def test_a_slot_serves_all_who_wait_for_its_adapter() -> None:
    replica, line = full("a"), Line(KNOBS)
    for adapter in ("b", "c", "b"):
        line.join(Wanted(adapter), 0.0)
    mirror.left(replica, "a", 0, 1.0)
    served = []
    while admission := line.next([replica], 1.0):
        mirror.entered(replica, admission.ticket.wanted.adapter, 0, 1.0)
        served.append(admission.ticket.wanted.adapter)
    assert served == ["b", "b"]


def test_a_newcomer_takes_no_slot_before_who_waits() -> None:
    replica, line = full("a"), Line(KNOBS)
    replica.slots = 2
    new = placed(Wanted("n"), [replica], 0.0)
    running = placed(Wanted("a"), [replica], 0.0)
    assert new
    assert running
    assert line.passes(new, "n", replica)
    line.join(Wanted("b"), 0.0)
    assert not line.passes(new, "n", replica)
    assert line.passes(running, "a", replica)


def test_who_gives_up_is_in_the_line_no_longer() -> None:
    line = Line(KNOBS)
    line.quit(line.join(Wanted("a"), 0.0))
    assert len(line) == 0


def test_an_adapter_gives_way_to_who_has_waited_too_long() -> None:
    replica, line = full("a b"), Line(KNOBS, {"a": "low"})
    mirror.entered(replica, "a", 0, 0.0)
    line.join(Wanted("c"), 0.0)
    assert line.drain([replica], 1.9) is None
    drain = line.drain([replica], 2.0)
    assert drain
    assert (drain.promise.adapter, drain.promise.instead_of) == ("c", "a")
    mirror.promised(replica, drain.promise)
    assert line.drain([replica], 2.1) is None
    gives_way = placed(Wanted("a"), [replica], 2.1)
    goes_on = placed(Wanted("b"), [replica], 2.1)
    assert gives_way
    assert goes_on
    assert (gives_way.wait, goes_on.wait) == (True, False)


def test_the_slot_that_comes_free_is_kept_for_whom_it_was_promised() -> None:
    replica, line = full("a b"), Line(KNOBS)
    line.join(Wanted("c"), 0.0)
    drain = line.drain([replica], 2.0)
    assert drain
    mirror.promised(replica, drain.promise)
    mirror.left(replica, "b", 0, 3.0)
    other = placed(Wanted("d"), [replica], 3.0)
    assert other
    assert other.wait
    admission = line.next([replica], 3.0)
    assert admission
    assert admission.ticket.wanted.adapter == "c"


arrivals = st.lists(
    st.tuples(
        st.floats(0.0, 0.5),  # seconds since the one before
        st.integers(0, 9).map(lambda i: min(i, 5)),  # adapter; some are asked for more
        st.sampled_from(sorted(RANK)),
        st.floats(0.05, 3.0),  # seconds that it runs
    ),
    min_size=1,
    max_size=120,
)
LONGEST = 3.0


@settings(max_examples=60)
@given(arrivals, st.integers(1, 3), st.integers(1, 3), st.integers(0, 1))
def test_nobody_starves(
    arrivals: list[tuple[float, int, Priority, float]], count: int, slots: int, pinned: int
) -> None:
    """Slots in use never exceed those there are, nobody's request is lost, pins stay, and a wait
    is bounded: each round, of a drain and of what it waits for, takes somebody of the line, and
    those before you are the adapters that waited, and those with a head start."""
    priorities: dict[str, Priority] = {str(a): p for _, a, p, _ in arrivals}
    replicas = {name: Replica(name, slots, 6, seats=8) for name in "xyz"[:count]}
    keeps = "5" if pinned and slots > 1 else ""
    for replica in replicas.values():
        mirror.pinned(replica, set(keeps))
        for adapter in keeps:
            mirror.loaded(replica, adapter, 0.0)
    line, now, waits = Line(KNOBS, priorities), 0.0, []
    ends: list[tuple[float, int, str, str]] = []
    coming = list(arrivals)
    due = coming[0][0]
    lasts: dict[int, float] = {}
    sent = 0

    def send(name: str, adapter: str, seconds: float) -> None:
        nonlocal sent
        sent += 1
        mirror.entered(replicas[name], adapter, 1, now)
        heapq.heappush(ends, (now + seconds, sent, name, adapter))
        for replica in replicas.values():
            assert len(replica.under_way.keys() | replica.pinned) <= replica.slots
            assert replica.under_way.keys() | replica.pinned <= replica.gpu.keys()
            assert len(replica.gpu) <= replica.slots
            assert replica.in_flight == sum(replica.under_way.values()) <= replica.seats

    while coming or ends or len(line):
        tick = now + 0.25
        now = min([tick, *([due] if coming else []), *([ends[0][0]] if ends else [])])
        if ends and ends[0][0] <= now:
            _, _, name, adapter = heapq.heappop(ends)
            mirror.left(replicas[name], adapter, 1, now)
        if coming and due <= now:
            _, number, priority, seconds = coming.pop(0)
            due = now + coming[0][0] if coming else now
            wanted = Wanted(str(number), priority)
            placement = placed(wanted, list(replicas.values()), now, KNOBS, priorities)
            assert placement
            if line.passes(placement, wanted.adapter, replicas[placement.replica]):
                send(placement.replica, str(number), seconds)
            else:
                lasts[line.join(wanted, now).number] = seconds
        while drain := line.drain(list(replicas.values()), now):
            mirror.promised(replicas[drain.replica], drain.promise)
        while admission := line.next(list(replicas.values()), now):
            ticket = admission.ticket
            waits.append(now - ticket.since)
            assert ticket.wanted.adapter
            send(admission.placement.replica, ticket.wanted.adapter, lasts.pop(ticket.number))
    assert sent == len(arrivals)
    assert all(replica.in_flight == replica.unread == 0 for replica in replicas.values())
    rounds = 6 + 1  # adapters that may be before it, and its own
    bound = KNOBS.drain_after + 3 * KNOBS.head_start + rounds * (LONGEST + KNOBS.drain_after)
    assert max(waits, default=0.0) <= bound


def test_a_hot_adapter_does_not_starve_a_cold_one() -> None:
    """vLLM alone would serve the hot one for as long as its requests overlap."""
    replica, line = Replica("r", slots=1, cpu_slots=4), Line(KNOBS)
    ends: list[float] = []
    cold = None
    for step in range(100):
        now = step * 0.1
        while ends and ends[0] <= now:
            ends.pop(0)
            mirror.left(replica, "hot", 0, now)
        placement = placed(Wanted("hot"), [replica], now)
        assert placement
        if line.passes(placement, "hot", replica):
            mirror.entered(replica, "hot", 0, now)
            ends.append(now + 1.0)
        if step == 5:
            line.join(Wanted("cold"), now)
        if drain := line.drain([replica], now):
            mirror.promised(replica, drain.promise)
        if admission := line.next([replica], now):
            cold = (admission.ticket.wanted.adapter, now - admission.ticket.since)
            break
    assert cold is not None
    assert cold[0] == "cold"
    assert cold[1] <= KNOBS.drain_after + 1.2


def test_a_long_line_costs_no_more_than_its_head() -> None:
    replicas = [Replica(f"r{number}", slots=1, cpu_slots=1) for number in range(8)]
    for replica in replicas:
        mirror.entered(replica, f"hot-{replica.name}", 0, 0.0)

    def cost(waiting: int) -> float:
        line = Line(KNOBS)
        for number in range(waiting):
            line.join(Wanted(f"a{number}"), 0.0)
        return cpu_seconds(lambda: line.drain(replicas, 60.0))

    for replica in replicas[:-1]:  # the last one has no promise, and nobody who can give way
        replica.promise = Promise(f"b-{replica.name}", f"hot-{replica.name}", 99.0)
    replicas[-1].pinned = frozenset(replicas[-1].under_way)
    assert cost(2048) < 8 * cost(64)
