"""A tab is closed once, whatever its request comes to."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.accounting import Tab
from gateway.errors import ProviderError
from gateway.streams import Told, collect
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Delta, Done, Event, Spent, Usage, Verbatim

pytestmark = pytest.mark.anyio


class Hold:
    """Knows what it was settled with."""

    def __init__(self) -> None:
        self.settled: list[int] = []

    async def extend(self, tokens: int, cost_usd: float) -> None: ...

    async def settle(self, tokens: int, cost_usd: float) -> None:
        self.settled.append(tokens)

    async def release(self) -> None: ...

    def headers(self) -> tuple[()]:
        return ()


def tab(count: Any) -> tuple[Tab, Hold, list[Any]]:
    rows: list[Any] = []
    books: Any = SimpleNamespace(
        count=count,
        prices=SimpleNamespace(cost=lambda model, usage: 0.0),
        record=lambda row, trace: rows.append(row),
    )
    hold = Hold()
    return Tab(books, Trace(), Ask("m", (), "", stream=True), hold=hold), hold, rows


async def told(opened: Tab, *events: Event) -> None:
    await collect(opened.metered(Answer(Told(list(events)), Done())).events)


async def test_an_answer_that_cannot_be_counted_is_still_settled_and_recorded() -> None:
    def broken(text: str) -> int:
        raise RuntimeError("no vocabulary")

    opened, hold, rows = tab(broken)
    with suppress(RuntimeError):
        await told(opened, Delta("Hello"), Done())
    assert (hold.settled, len(rows)) == ([0], 1)


async def test_a_chunk_that_is_none_is_charged_for_what_can_be_read_around_it() -> None:
    text = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
    opened, hold, rows = tab(len)
    with suppress(ProviderError):
        await told(opened, Verbatim(text + b"data: {oops}\n\n", b"", b""), Done())
    assert hold.settled == [len("Hello")]
    assert rows[0].completion_tokens == len("Hello")


async def test_a_call_of_a_tool_that_nobody_counted_is_not_free() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    opened, hold, _ = tab(len)
    await told(opened, Delta(fields={"role": "assistant", "tool_calls": [call]}), Done())
    assert hold.settled[0] > 0


async def test_an_answer_that_says_nothing_is_free() -> None:
    opened, hold, _ = tab(len)
    await told(opened, Delta(fields={"role": "assistant", "refusal": None}), Done())
    assert hold.settled == [0]


async def test_what_a_search_has_used_is_settled_however_the_request_ends() -> None:
    spent = Spent("p/helper", Usage(40, 10))
    opened, hold, rows = tab(len)
    opened.spend(spent)
    await told(opened, Delta("Hello"), Done())
    assert hold.settled == [len("Hello") + 50]
    assert (rows[0].prompt_tokens, rows[0].completion_tokens) == (40, len("Hello") + 10)

    opened, hold, rows = tab(len)
    opened.spend(spent)
    await opened.failed(ProviderError("gone"))
    assert hold.settled == [50]
    assert rows[0].prompt_tokens == 40

    opened, hold, rows = tab(len)
    opened.spend(spent)
    await told(opened, Delta("Known."), Done(usage=Usage(7, 7), cache="exact"))
    assert hold.settled == [50]
