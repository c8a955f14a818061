"""How many are let in at once, who waits for how long, and what the others are told."""

from __future__ import annotations

import asyncio

import pytest

from gateway.admission import Admission
from gateway.errors import Overloaded

pytestmark = pytest.mark.anyio


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def waiting(admission: Admission) -> asyncio.Task[None]:
    task = asyncio.create_task(admission.wait())
    await asyncio.sleep(0)
    return task


async def test_whoever_comes_while_there_is_room_does_not_wait() -> None:
    admission = Admission(2, 0, 1)
    assert [admission.enter() for _ in range(3)] == [True, True, False]
    admission.leave()
    assert admission.enter()


async def test_a_place_goes_to_whoever_has_waited_longest() -> None:
    admission = Admission(1, 2, 1)
    assert admission.enter()
    first, second = await waiting(admission), await waiting(admission)
    assert not admission.enter()
    admission.leave()
    await first
    assert (second.done(), admission.in_flight, admission.waiting) == (False, 1, 1)
    admission.leave()
    await second
    admission.leave()
    assert (admission.in_flight, admission.waiting) == (0, 0)


async def test_a_full_queue_refuses_at_once() -> None:
    admission = Admission(1, 1, 1)
    assert admission.enter()
    task = await waiting(admission)
    with pytest.raises(Overloaded, match=r"server\.max_waiting"):
        await admission.wait()
    assert (admission.refused, admission.waiting) == (1, 1)
    task.cancel()


async def test_who_has_waited_for_too_long_is_refused_and_takes_no_place() -> None:
    admission = Admission(1, 1, 0.005)
    assert admission.enter()
    with pytest.raises(Overloaded, match=r"server\.max_wait"):
        await admission.wait()
    assert (admission.in_flight, admission.waiting) == (1, 0)
    admission.leave()
    assert admission.in_flight == 0


async def test_who_leaves_the_queue_takes_no_place() -> None:
    admission = Admission(1, 2, 1)
    assert admission.enter()
    gone, next_one = await waiting(admission), await waiting(admission)
    gone.cancel()
    await asyncio.sleep(0)
    assert admission.waiting == 1
    admission.leave()
    await next_one


async def test_who_is_let_in_while_leaving_gives_the_place_to_the_next() -> None:
    admission = Admission(1, 2, 1)
    assert admission.enter()
    gone, next_one = await waiting(admission), await waiting(admission)
    admission.leave()
    gone.cancel()  # before it could run
    await next_one
    assert admission.in_flight == 1


@pytest.mark.parametrize(("took", "said"), [(2.0, 4.0), (0.001, 1.0), (500.0, 60.0)])
async def test_the_refused_are_told_how_long_the_queue_takes_as_it_moves_now(
    took: float, said: float
) -> None:
    clock = Clock()
    admission = Admission(1, 1, 10, clock)
    assert admission.enter()
    task = await waiting(admission)
    clock.now += took
    admission.leave()
    await task
    task = await waiting(admission)
    with pytest.raises(Overloaded) as refused:
        await admission.wait()
    assert refused.value.retry_after == said
    task.cancel()


async def test_where_nobody_was_ever_let_in_from_the_queue_its_longest_wait_is_told() -> None:
    admission = Admission(1, 0, 7)
    assert admission.enter()
    with pytest.raises(Overloaded) as refused:
        await admission.wait()
    assert refused.value.retry_after == 7
