"""Workers that come and go; no cluster is needed for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from retrieval.ingestion.engines.crew import PLACES, TRIES, Crew, Lost
from retrieval.types import RetrievalError

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Hand:
    """A worker."""

    number: int
    where: str = "here"
    doing: int = 0
    most: int = 0
    dismissed: bool = False

    def dismiss(self) -> None:
        self.dismissed = True


class Agency:
    """Where they come from."""

    def __init__(self) -> None:
        self.sent: list[Hand] = []
        self.said: list[str] = []

    async def hire(self) -> Hand:
        await asyncio.sleep(0)
        self.sent.append(Hand(len(self.sent)))
        return self.sent[-1]

    @asynccontextmanager
    async def crew(self, size: int) -> AsyncIterator[Crew[Hand]]:
        crew = Crew(self.hire, size, self.said.append)
        try:
            yield crew
        finally:
            await crew.aclose()


def piece(steps: int = 3) -> Callable[[Hand], Awaitable[int]]:
    """Work of some steps, which answers who did it."""

    async def work(hand: Hand) -> int:
        hand.doing += 1
        hand.most = max(hand.most, hand.doing)
        for _ in range(steps):
            await asyncio.sleep(0)
        hand.doing -= 1
        return hand.number

    return work


async def test_work_is_shared_and_no_worker_has_more_than_it_has_places() -> None:
    agency = Agency()
    async with agency.crew(3) as crew:
        done = await asyncio.gather(*(crew.do("embed", piece()) for _ in range(30)))
    assert {done.count(number) for number in range(3)} == {10}
    assert {hand.most for hand in agency.sent} == {PLACES}
    assert all(hand.dismissed for hand in agency.sent)


async def test_reading_does_not_stand_before_embedding() -> None:
    agency, never = Agency(), asyncio.Event()

    async def stuck(hand: Hand) -> None:
        await never.wait()

    async with agency.crew(1) as crew:
        reads = [asyncio.ensure_future(crew.do("read", stuck)) for _ in range(5)]
        assert await crew.do("embed", piece()) == 0
        for read in reads:
            read.cancel()
        await asyncio.wait(reads)


async def test_what_a_lost_worker_had_in_hand_is_done_by_another_and_one_is_hired() -> None:
    agency = Agency()

    async def work(hand: Hand) -> int:
        await asyncio.sleep(0)
        if hand.number == 0:
            raise Lost("killed")
        return hand.number

    async with agency.crew(2) as crew:
        done = await asyncio.gather(*(crew.do("read", work) for _ in range(20)))
        assert 0 not in done
        await asyncio.sleep(0.01)
        assert sorted(hand.number for hand in crew.workers) == [1, 2]
    assert agency.sent[0].dismissed
    assert agency.said == ["A worker on here is lost (killed); its work is done again."]


async def test_work_that_kills_its_workers_is_tried_alone_and_then_given_up() -> None:
    agency, beside = Agency(), []

    async def deadly(hand: Hand) -> int:
        beside.append(hand.doing)
        raise Lost("killed")

    async with agency.crew(3) as crew:
        others = [asyncio.ensure_future(crew.do("read", piece(20))) for _ in range(30)]
        await asyncio.sleep(0)
        with pytest.raises(Lost):
            await crew.do("read", deadly)
        assert len(await asyncio.gather(*others)) == 30
    assert len(beside) == TRIES
    assert beside[2:] == [0, 0]


async def test_who_goes_away_leaves_its_place_to_others() -> None:
    agency = Agency()
    async with agency.crew(1) as crew:
        waiting = [asyncio.ensure_future(crew.do("read", piece(50))) for _ in range(8)]
        await asyncio.sleep(0.001)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        assert await crew.do("read", piece()) == 0


async def test_where_nobody_ever_comes_the_reason_is_told() -> None:
    agency = Agency()

    async def nobody() -> Hand:
        raise Lost("no such image")

    agency.hire = nobody  # type: ignore[method-assign]
    async with agency.crew(3) as crew:
        with pytest.raises(RetrievalError, match="No worker comes to work: no such image"):
            await crew.do("read", piece())


async def test_what_no_worker_could_mend_ends_it_for_all_who_wait() -> None:
    agency = Agency()

    async def broken() -> Hand:
        raise RetrievalError("KEY is not set.")

    agency.hire = broken  # type: ignore[method-assign]
    async with agency.crew(1) as crew:
        done = (crew.do("embed", piece()), crew.do("read", piece()))
        found = await asyncio.gather(*done, return_exceptions=True)
        assert [str(each) for each in found] == ["KEY is not set."] * 2
        with pytest.raises(RetrievalError):
            await crew.do("read", piece())
