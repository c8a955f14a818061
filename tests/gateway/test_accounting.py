"""A tab is closed once, whatever its request comes to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.accounting import Tab
from gateway.errors import ProviderError, StructuredOutputInvalid
from gateway.streams import Told, collect
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Delta, Done, Event, Spent, Usage, Verbatim
from tests.gateway.asking import completion, helped
from tests.gateway.test_recap import CONFIG as SUMMED_UP
from tests.gateway.test_recap import chat

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


class Held:
    """Limits and their one hold, which know the most that was taken."""

    def __init__(self) -> None:
        self.tokens, self.cost_usd = 0, 0.0

    async def reserve(self, caller: object, tokens: int, cost_usd: float) -> Held:
        await self.extend(tokens, cost_usd)
        return self

    async def extend(self, tokens: int, cost_usd: float) -> None:
        self.tokens, self.cost_usd = max(self.tokens, tokens), max(self.cost_usd, cost_usd)

    async def settle(self, tokens: int, cost_usd: float) -> None: ...

    async def release(self) -> None: ...

    def headers(self) -> tuple[()]:
        return ()

    async def close(self) -> None: ...


RULE = """
[[routing.rules]]
name = "all"
use = ["helper/small", "sim/simulated"]
"""
DEARER = """
[experiments.x.variants]
a = { share = 0.5, model = "helper/small" }
b = { share = 0.5, model = "helper/small", parameters = { temperature = 0 } }
"""
ASKED: dict[str, Any] = {"params": {"max_tokens": 50}, "grounding": "off"}
QUESTION = ({"role": "user", "content": "?"},)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("more", "ask", "tokens", "cost"),
    [
        (RULE, Ask("auto", QUESTION, "?", **ASKED), 50, 0.0),
        (RULE + 'strategy = "self_consistency"', Ask("auto", QUESTION, "?", **ASKED), 250, 0.005),
        (
            RULE + 'strategy = "self_consistency"',
            Ask("auto", QUESTION, "?", {"max_tokens": 50, "tools": [TOOL]}, grounding="off"),
            50,
            0.001,
        ),
        (RULE + "cascade = true", Ask("auto", QUESTION, "?", **ASKED), 100, 0.001),
        (DEARER, Ask("sim/simulated", QUESTION, "?", **ASKED), 50, 0.001),
    ],
    ids=["plain", "strategy", "strategy that is passed over", "cascade", "experiment"],
)
async def test_what_a_plan_may_use_is_held_before_it_is_used(
    tmp_path: Path, more: str, ask: Ask, tokens: int, cost: float
) -> None:
    async with helped(tmp_path, more, completion("42")) as helping:
        held = Held()
        books = replace(helping.gateway.accounting, limits=held)
        gateway = replace(helping.gateway, accounting=books)
        await collect((await gateway.answer(None, ask, Trace())).events)
    assert held.tokens == tokens
    assert held.cost_usd >= cost


async def test_what_sums_up_turns_is_held_where_turns_are_left_out(tmp_path: Path) -> None:
    async with helped(tmp_path, SUMMED_UP, completion("They ask of seals.")) as helping:
        gateway = helping.gateway
        assert gateway.recaps
        most = gateway.recaps.most.usage.total
        asked, added = [], []
        for turns in (3, 400):
            held = Held()
            watched = replace(gateway, accounting=replace(gateway.accounting, limits=held))
            begun = await watched.answer(None, chat(turns), Trace())
            await collect(begun.events)
            asked.append(held.tokens)
            added.append(held.cost_usd)
        assert asked[0] < most < asked[1]
        assert added[0] == 0 < added[1]


async def test_calls_that_gave_no_form_are_paid_for_once() -> None:
    error = StructuredOutputInvalid("no JSON")
    error.spent = (Spent("p/m", Usage(10, 3)), Spent("p/m", Usage(20, 30)))
    opened, hold, rows = tab(len)
    await opened.failed(error)
    assert hold.settled == [63]
    assert not error.spent
    assert (rows[0].prompt_tokens, rows[0].completion_tokens) == (30, 33)
