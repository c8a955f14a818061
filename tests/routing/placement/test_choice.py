"""Which replica a request goes to, one reason at a time."""

from __future__ import annotations

import pytest

from routing.placement import mirror
from routing.placement.choice import KNOBS, placed
from routing.placement.rendezvous import ranked
from routing.placement.types import Costs, Knobs, Placement, Replica, Wanted
from tests.effort import cpu_seconds


def replica(name: str, gpu: str = "", cpu: str = "", busy: str = "", slots: int = 4) -> Replica:
    """`gpu="a b"`: these are in the GPU, used at 1, 2 …; `busy` are under way, one request each."""
    made = Replica(name, slots, cpu_slots=16)
    for place, adapter in enumerate([*cpu.split(), *gpu.split(), *busy.split()], 1):
        mirror.loaded(made, adapter, float(place))
    for adapter in cpu.split():
        made.gpu.pop(adapter, None)
    for adapter in busy.split():
        mirror.entered(made, adapter, 0, 10.0)
    return made


def chosen(wanted: Wanted, *replicas: Replica, knobs: Knobs = KNOBS) -> Placement:
    placement = placed(wanted, replicas, 20.0, knobs)
    assert placement
    return placement


A = Wanted("a")


def test_without_replicas_there_is_no_place() -> None:
    assert placed(A, [], 0.0) is None


@pytest.mark.parametrize(
    ("here", "tier"),
    [(replica("r", gpu="a"), "gpu"), (replica("r", cpu="a"), "cpu"), (replica("r"), "disk")],
)
def test_the_place_says_where_the_adapter_is(here: Replica, tier: str) -> None:
    assert chosen(A, here).tier == tier


def test_it_goes_where_its_adapter_is() -> None:
    gpu, cpu, disk = replica("x", gpu="a"), replica("y", cpu="a"), replica("z")
    assert chosen(A, disk, cpu, gpu).replica == "x"
    assert chosen(A, disk, cpu).replica == "y"


def test_a_long_queue_outweighs_residency() -> None:
    crowded, idle = replica("x", gpu="a"), replica("y", cpu="a")
    crowded.in_flight = 7
    assert chosen(A, crowded, idle).replica == "y"


def test_prompts_that_are_not_read_yet_are_a_queue() -> None:
    reading, idle = replica("x", gpu="a"), replica("y", cpu="a")
    reading.unread = 1000
    assert chosen(A, reading, idle).replica == "y"


def test_a_load_is_rather_had_where_it_delays_few() -> None:
    busy, idle = replica("x", busy="b c d"), replica("y")
    idle.unread = 2000  # 0.13 s; three others' delay by 0.6 s is weighed as 0.54 s
    assert chosen(A, busy, idle).replica == "y"
    assert chosen(A, busy, idle, knobs=Knobs(others=0.0)).replica == "x"


def test_a_load_that_goes_on_delays_everybody_there() -> None:
    loading, other = replica("x", gpu="a"), replica("y", cpu="a")
    loading.loading["b"] = 20.5
    assert chosen(A, loading, other).replica == "y"


def test_it_joins_who_waits_for_the_same_load() -> None:
    loading, other = replica("x"), replica("y")
    mirror.entered(loading, "a", 0, 19.9)
    placement = chosen(A, loading, other)
    assert (placement.replica, placement.tier) == ("x", "loading")


def test_a_slot_is_rather_taken_than_waited_for() -> None:
    full, free = replica("x", cpu="a", busy="b c d e"), replica("y")
    assert chosen(A, full, free).replica == "y"


def test_it_waits_where_all_slots_are_in_use() -> None:
    placement = chosen(A, replica("x", busy="b c d e"))
    assert placement.wait
    assert placement.evicts is None


def test_the_base_model_needs_no_slot() -> None:
    placement = chosen(Wanted(None), replica("x", busy="b c d e"))
    assert (placement.wait, placement.tier) == (False, "base")


def test_it_waits_where_all_seats_are_taken() -> None:
    full = replica("x", gpu="a")
    full.in_flight = full.seats
    assert chosen(A, full).wait


def test_the_adapter_used_longest_ago_gives_up_its_slot() -> None:
    assert chosen(A, replica("x", gpu="b c d e")).evicts == "b"


def test_a_lower_priority_gives_up_its_slot_first() -> None:
    """Engines go by the time of use: those before it have to be used once."""
    full = replica("x", gpu="b c d e")
    placement = placed(A, [full], 20.0, Knobs(), {"b": "high", "d": "low"})
    assert placement
    assert (placement.evicts, placement.touch) == ("d", ("b", "c"))


def test_a_priority_that_is_not_made_use_of_keeps_no_slot() -> None:
    full = replica("x", gpu="b c d e")
    placement = placed(A, [full], 1e4, Knobs(), {"b": "high", "d": "low"})
    assert placement
    assert placement.evicts == "b"


def test_what_is_pinned_keeps_its_slot() -> None:
    full = replica("x", gpu="b c d e")
    mirror.pinned(full, {"b"})
    placement = chosen(A, full)
    assert (placement.evicts, placement.touch) == ("c", ("b",))


def test_a_pin_keeps_its_slot_even_while_it_is_not_loaded() -> None:
    full = replica("x", busy="b c d")
    mirror.pinned(full, {"p"})
    assert chosen(A, full).wait
    assert not chosen(Wanted("p"), full).wait


def test_a_prompt_that_was_read_before_is_a_reason() -> None:
    x, y = replica("x", gpu="a"), replica("y", gpu="a")
    for name in "xy":
        assert chosen(Wanted("a", cached={name: 600}), x, y).replica == name


def test_no_replica_gets_far_more_than_its_share() -> None:
    crowded, idle = replica("x", gpu="a"), replica("y")
    crowded.in_flight = 20
    crowded.costs = Costs(queue=0.0)
    assert chosen(A, crowded, idle, knobs=Knobs(bound=1.5)).replica == "y"
    assert chosen(A, crowded, idle, knobs=Knobs(bound=4)).replica == "x"


def test_what_costs_the_same_is_decided_by_rendezvous() -> None:
    replicas = [replica(name) for name in "xyz"]
    for adapter in "abcdefgh":
        assert chosen(Wanted(adapter), *replicas).replica == ranked(adapter, ("x", "y", "z"))[0]


def test_a_decision_of_eight_replicas_and_a_thousand_adapters_is_fast() -> None:
    names = [f"team:adapter-{i}@1" for i in range(1000)]
    replicas = [Replica(f"http://replica-{i}:8000", 8, 256) for i in range(8)]
    for place, name in enumerate(names):
        mirror.loaded(replicas[place % 8], name, float(place))
        if place > 960:
            mirror.entered(replicas[place % 8], name, 500, 1000.0)
    wanted = [Wanted(name, prompt_tokens=500) for name in names]
    seconds = cpu_seconds(lambda: [placed(each, replicas, 1001.0) for each in wanted])
    assert seconds / len(wanted) < 1e-4
