"""Two tries at the same thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.hedging import raced

pytestmark = pytest.mark.anyio


class Try:
    """Gives or fails when it is told to."""

    def __init__(self) -> None:
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.began = asyncio.Event()

    async def run(self) -> str:
        self.began.set()
        return await self.told


async def race(
    first: Try, second: Callable[[], Coroutine[Any, Any, str] | None]
) -> tuple[asyncio.Task[str], list[str]]:
    discarded: list[str] = []

    async def discard(late: str) -> None:
        discarded.append(late)

    return asyncio.create_task(raced(first.run(), 0.001, second, discard)), discarded


async def both() -> tuple[Try, Try, asyncio.Task[str], list[str]]:
    first, second = Try(), Try()
    racing, discarded = await race(first, second.run)
    await second.began.wait()
    return first, second, racing, discarded


async def test_a_quick_first_is_alone() -> None:
    first, asked = Try(), list[bool]()
    first.told.set_result("a")
    racing, _ = await race(first, lambda: asked.append(True))
    assert await racing == "a"
    assert asked == []


async def test_the_second_may_decline() -> None:
    first = Try()
    racing, _ = await race(first, lambda: None)
    await asyncio.sleep(0.003)
    first.told.set_result("a")
    assert await racing == "a"


async def test_the_quicker_is_kept_and_the_other_cancelled() -> None:
    first, second, racing, discarded = await both()
    second.told.set_result("b")
    assert await racing == "b"
    assert first.told.cancelled()
    assert discarded == []


async def test_what_comes_too_late_is_discarded() -> None:
    first, second, racing, discarded = await both()
    first.told.set_result("a")
    second.told.set_result("b")
    kept = await racing
    assert sorted([kept, *discarded]) == ["a", "b"]


async def test_one_failure_is_none_and_of_two_the_first_is_told() -> None:
    first, second, racing, _ = await both()
    first.told.set_exception(ValueError("first"))
    await asyncio.sleep(0)
    second.told.set_result("b")
    assert await racing == "b"
    first, second, racing, _ = await both()
    second.told.set_exception(ValueError("second"))
    await asyncio.sleep(0.001)
    first.told.set_exception(ValueError("first"))
    with pytest.raises(ValueError, match="second"):
        await racing


async def test_who_is_cancelled_cancels_both() -> None:
    first, second, racing, _ = await both()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert first.told.cancelled()
    assert second.told.cancelled()


async def test_who_leaves_while_the_late_one_is_let_go_gets_nothing_that_stays_open() -> None:
    first, second = Try(), Try()
    stubborn = asyncio.Event()

    async def slow_to_go() -> str:
        try:
            return await second.run()
        finally:
            stubborn.set()
            await asyncio.sleep(0.05)

    racing, discarded = await race(first, slow_to_go)
    await second.began.wait()
    first.told.set_result("first")
    await stubborn.wait()
    racing.cancel()
    await asyncio.wait([racing])
    assert racing.cancelled()
    assert discarded == ["first"]
