"""Several requests answered at once as if they were one: their choices counted through.

Each is a request of its own to the pipeline, with its own trace, limits and row of the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeAlias

from gateway.api.moorline import about
from gateway.pipeline import Gateway
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Delta, Done, Event, Events, Progress, Usage

AT_ONCE = 8
HELD = 64  # events that wait for the client

Heard: TypeAlias = "asyncio.Queue[Event | Exception]"


async def answer_all(
    gateway: Gateway, authorization: str | None, asks: Sequence[Ask], trace: Trace
) -> Answer:
    """One answer of all. What the first of them to fail raises is raised, and ends the others."""
    if len(asks) == 1:
        return await gateway.answer(authorization, asks[0], trace)
    heard: Heard = asyncio.Queue(HELD)
    begun: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    slots = asyncio.Semaphore(AT_ONCE)

    async def ask_one(place: int, ask: Ask, own: Trace) -> None:
        try:
            async with slots:
                answer = await gateway.answer(authorization, ask, own)
                if not begun.done():
                    begun.set_result(answer)
                async with aclosing(answer.events) as events:
                    async for event in events:
                        for piece in _placed(event, place * ask.n, own.id):
                            await heard.put(piece)
        except Exception as error:
            if not begun.done():
                begun.set_exception(error)
            await heard.put(error)

    tasks = [
        asyncio.create_task(ask_one(place, ask, trace.beside() if place else trace))
        for place, ask in enumerate(asks)
    ]
    try:
        first = await begun
    except BaseException:
        await _ended(tasks)
        raise
    events = _told(tasks, heard)
    await anext(events)
    return replace(first, events=events)


def _placed(event: Event, first: int, trace_id: str) -> list[Event]:
    """An event of one request among those of all; its end tells its first choice's story."""
    if isinstance(event, Delta):
        return [replace(event, choice=event.choice + first)]
    if isinstance(event, Progress):
        return [event]
    assert isinstance(event, Done)  # nothing else is told to who does not ask for it
    return [Delta(choice=first, extra={"moorline": about(event, trace_id)}), event]


async def _told(tasks: Sequence[asyncio.Task[None]], heard: Heard) -> Events:
    """An empty piece when it begins, so that it can be closed; then all events, and one end."""
    ends: list[Done] = []
    try:
        yield Delta()
        while len(ends) < len(tasks):
            event = await heard.get()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Done):
                ends.append(event)
            else:
                yield event
        yield _all_in_all(ends)
    finally:
        await _ended(tasks)


def _all_in_all(ends: Sequence[Done]) -> Done:
    """What all of it used and cost; the rest is told with the choices."""
    usage = Usage(
        prompt=sum(end.usage.prompt for end in ends),
        completion=sum(end.usage.completion for end in ends),
        cached=sum(end.usage.cached for end in ends),
        reasoning=sum(end.usage.reasoning for end in ends),
        estimated=any(end.usage.estimated for end in ends),
    )
    return Done(
        usage=usage,
        model=ends[0].model,
        route=ends[0].route,
        cache=ends[0].cache,
        cost_usd=sum(end.cost_usd for end in ends),
    )


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
