"""Places under every order of events: none is lost, and no replica runs more than its slots."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ProviderError
from gateway.fleet.config import LoraConfig
from gateway.fleet.places import Place, Places
from gateway.fleet.view import View
from routing.placement.types import Knobs, Wanted

LORA = LoraConfig(slots=2, cpu_slots=3, seats=4)
ADAPTERS = ("a@1", "b@1", "c@1", "d@1", None)

steps = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(range(len(ADAPTERS)))),
    st.tuples(st.just("begin"), st.integers(0, 20)),
    st.tuples(st.just("finish"), st.integers(0, 20)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("evict"), st.integers(0, 20)),
    st.tuples(st.just("other enters"), st.sampled_from(range(len(ADAPTERS)))),
    st.tuples(st.just("other gone"), st.just(0)),
    st.tuples(st.just("later"), st.integers(1, 5)),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class House:
    """Requests that come and go."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.view = View("gpu", lambda doing: None, self.clock)
        self.replicas = [self.view.of(name, LORA) for name in ("a", "b")]
        self.places = Places(self.view, self.replicas, Knobs(), most=8, longest=1e6)
        self.asking: list[asyncio.Task[Place]] = []
        self.held: list[Place] = []
        self.crowded = False

    async def step(self, what: str, which: int) -> None:
        match what:
            case "ask":
                wanted = Wanted(ADAPTERS[which], prompt_tokens=10)
                taking = self.places.taken(wanted, self.replicas)
                self.asking.append(asyncio.create_task(taking))
            case "begin" if self.held:
                self.held[which % len(self.held)].begun()
            case "finish" if self.held:
                self.held.pop(which % len(self.held)).over()
            case "cancel" if self.asking:
                self.asking[which % len(self.asking)].cancel()
            case "evict" if self.held:
                place = self.held[which % len(self.held)]
                if place.wanted.adapter:
                    self.view.evicted(place.replica, place.wanted.adapter)
            case "other enters":
                self.crowded = True
                self.view.heard("other", ("entered", "gpu", "a", ADAPTERS[which], 5))
            case "other gone":
                self.view.gone("other")
            case "later":
                self.clock.now += which
        if self.clock.now % 2:  # at times two things happen before anybody notices
            await self.settle()

    async def settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        for task in [each for each in self.asking if each.done()]:
            self.asking.remove(task)
            with suppress(ProviderError, asyncio.CancelledError):
                self.held.append(task.result())

    def check(self) -> None:
        for replica in self.replicas:
            assert replica.in_flight >= 0
            assert all(count > 0 for count in replica.under_way.values())
            if not self.crowded:  # by others, who had not heard
                assert len(replica.under_way) <= replica.slots

    async def close(self) -> None:
        self.view.gone("other")
        for task in self.asking:
            task.cancel()
        await self.settle()
        while self.held:
            self.held.pop().over()
            await self.settle()


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=40))
def test_every_place_comes_back_whatever_happens(story: list[tuple[str, int]]) -> None:
    async def told() -> None:
        house = House()
        for what, which in story:
            await house.step(what, which)
            house.check()
        await house.settle()
        await house.close()
        for replica in house.replicas:
            assert (replica.in_flight, replica.under_way, replica.unread) == (0, {}, 0)
        assert not house.places.waiting
        assert house.view.whole()["a"]["requests"] == []

    asyncio.run(told())


@pytest.mark.anyio
async def test_a_place_that_came_too_late_goes_to_the_next() -> None:
    house = House()
    full = [await house.places.taken(Wanted(name), house.replicas[:1]) for name in ("a@1", "b@1")]
    first, second = (
        asyncio.create_task(house.places.taken(Wanted("c@1"), house.replicas[:1])) for _ in range(2)
    )
    await asyncio.sleep(0)
    full[0].over()  # the first has it now,
    first.cancel()  # and does not know
    place = await second
    assert place.wanted.adapter == "c@1"
    place.over()
    full[1].over()
    assert house.replicas[0].in_flight == 0


@pytest.mark.anyio
async def test_a_promise_to_who_leaves_as_its_slot_comes_free_is_taken_back() -> None:
    house = House()
    full = [await house.places.taken(Wanted(name), house.replicas[:1]) for name in ("a@1", "b@1")]
    waiting = asyncio.create_task(house.places.taken(Wanted("c@1"), house.replicas[:1]))
    await asyncio.sleep(0)
    house.clock.now += 3
    house.places.move()
    assert house.replicas[0].promise
    waiting.cancel()
    full[0].over()
    await asyncio.wait([waiting])
    assert house.replicas[0].promise is None


def test_what_a_gateway_that_is_gone_had_loaded_is_not_waited_for() -> None:
    house = House()
    house.view.heard("other", ("entered", "gpu", "a", "a@1", 5))
    assert house.replicas[0].loading
    house.view.gone("other")
    assert not house.replicas[0].loading
