"""Equal requests at once: one call of a model, and nobody's answer depends on another's client."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from context.types import Prompt
from gateway.build import build
from gateway.config import parse
from gateway.dispatch import Begun
from gateway.errors import BudgetSpent, NoModelAvailable, ProviderError
from gateway.ledger.types import Request
from gateway.pipeline import Gateway
from gateway.streams import collect, replay
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Completion, Delta, Done, Event, Events, Usage, Verbatim
from routing.types import Plan

pytestmark = pytest.mark.anyio

CONFIG = 'data = "{data}"\n[providers.sim]\nkind = "simulated"\n'
WORDS = ("one ", "two ", "three ", "four ", "five ", "six ")
WHOLE = "".join(WORDS)
COOL = {"temperature": 0}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Model:
    """Answers a word a turn of the loop, or fails; counts its calls and what of them is open."""

    def __init__(self) -> None:
        self.calls = self.open = 0
        self.go = asyncio.Event()
        self.go.set()
        self.failures: list[Exception] = []  # of the next calls, before they begin
        self.breaks_at: int | None = None
        self.verbatim = False

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, *_: Any) -> Begun:
        self.calls += 1
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        events = self._told() if ask.stream else replay([Delta(WHOLE, finish="stop")], done())
        if self.verbatim and not ask.stream:
            events = replay([], done())
            events.events.insert(0, Completion(body()))
        return Begun(events, plan.targets[0])

    async def _told(self) -> Events:
        self.open += 1
        try:
            for place, word in enumerate(WORDS):
                await self.go.wait()
                await asyncio.sleep(0)
                if place == self.breaks_at:
                    raise ProviderError("It broke.")
                yield self._piece(word)
            yield Delta(finish="stop")
            yield done()
        finally:
            self.open -= 1

    def _piece(self, word: str) -> Event:
        if not self.verbatim:
            return Delta(word)
        chunk = b'data: {"id":"u","model":"m","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
        return Verbatim(chunk % word.encode(), b'"id":"u"', b'"model":"m"')


def done() -> Done:
    return Done(usage=Usage(3, 6))


def body() -> dict[str, Any]:
    message = {"role": "assistant", "content": WHOLE}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


class World:
    def __init__(self, gateway: Gateway, model: Model) -> None:
        self.gateway, self.model = gateway, model
        self.rows: list[Request] = []
        write = gateway.accounting.ledger.write

        def noted(request: Request, trace: Trace) -> None:
            self.rows.append(request)
            write(request, trace)

        gateway.accounting.ledger.write = noted  # type: ignore[method-assign]

    async def begun(self, question: str = "Count.", **fields: Any) -> Answer:
        usual: dict[str, Any] = {"params": COOL, "grounding": "off", "stream": True}
        messages = ({"role": "user", "content": question},)
        ask = Ask("sim/simulated", messages, question, **usual | fields)
        return await self.gateway.answer(None, ask, Trace())

    async def told(self, question: str = "Count.", **fields: Any) -> tuple[str, Done]:
        whole = await collect((await self.begun(question, **fields)).events)
        assert whole.done is not None
        return whole.text, whole.done

    @property
    def open(self) -> int:
        """Flights that may be joined."""
        return len(self.gateway.known.flights._open)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    async with build(parse(CONFIG.format(data=folder))) as gateway:
        model = Model()
        it = World(replace(gateway, answers=model), model)  # type: ignore[arg-type]
        yield it
        await asyncio.sleep(0)
        assert (it.open, model.open) == (0, 0)
        assert {task for task in asyncio.all_tasks() if "_pump" in repr(task)} == set()


@pytest.mark.parametrize("stream", [False, True])
async def test_fifty_equal_requests_are_one_call(tmp_path: Path, stream: bool) -> None:
    async with world(tmp_path) as it:
        told = await asyncio.gather(*(it.told(stream=stream) for _ in range(50)))
        assert it.model.calls == 1
        assert {text for text, _ in told} == {WHOLE}
        states = sorted(row.cache for row in it.rows)
    assert states == ["miss", *["shared"] * 49]


async def test_every_listener_has_a_row_of_its_own_and_one_pays(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await asyncio.gather(*(it.told() for _ in range(3)))
        assert len({row.trace_id for row in it.rows}) == 3
        assert {row.status for row in it.rows} == {200}
        assert {row.completion_tokens for row in it.rows} == {6}
        assert [row.cost_usd for row in it.rows if row.cache == "shared"] == [0.0, 0.0]


async def test_who_comes_late_is_told_the_text_as_it_comes(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        first = await it.begun()
        assert [(await anext(first.events)).text for _ in range(2)] == ["one ", "two "]  # type: ignore[union-attr]
        it.model.go.clear()
        late = asyncio.create_task(it.begun())
        await asyncio.sleep(0.001)
        second = await late
        assert [(await anext(second.events)).text for _ in range(2)] == ["one ", "two "]  # type: ignore[union-attr]
        assert second.known.cache == "shared"
        it.model.go.set()
        texts = [await collect(each.events) for each in (first, second)]
    assert [whole.text for whole in texts] == ["three four five six "] * 2
    assert it.model.calls == 1


async def test_who_began_may_leave_and_the_others_answers_go_on(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        first = await it.begun()
        await anext(first.events)
        second = await it.begun()
        await first.events.aclose()
        assert (await collect(second.events)).text == WHOLE
        assert it.model.calls == 1
        assert (await it.told())[1].cache == "exact"
        assert sorted((row.status, row.cache) for row in it.rows) == [
            (200, "exact"), (200, "miss"), (200, "shared"),
        ]  # fmt: skip


async def test_when_the_last_one_leaves_the_stream_is_closed(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        answers = [await it.begun()]
        await anext(answers[0].events)
        answers += [await it.begun() for _ in range(2)]
        it.model.go.clear()
        for answer in answers:
            await anext(answer.events)
            assert it.model.open == 1
            await answer.events.aclose()
        assert it.model.open == 0
        assert {row.status for row in it.rows} == {499}


async def test_a_slow_client_does_not_hold_the_others_up(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        first = await it.begun()
        await anext(first.events)
        second, third = await it.begun(), await it.begun()
        assert (await collect(third.events)).text == WHOLE
        assert (await collect(second.events)).text == WHOLE
        assert (await collect(first.events)).text == WHOLE.removeprefix("one ")


async def test_where_the_models_fail_all_who_wait_fail_with_the_one_call(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.model.failures = [NoModelAvailable("gone") for _ in range(5)]
        it.gateway = replace(it.gateway, ladder=Rungless())  # type: ignore[arg-type]
        told = await asyncio.gather(*(it.told() for _ in range(5)), return_exceptions=True)
    assert it.model.calls == 1
    assert {type(each) for each in told} == {NoModelAvailable}


async def test_where_the_first_may_not_the_next_one_tries_and_the_others_join(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        it.model.failures = [BudgetSpent("for today")]
        told = await asyncio.gather(*(it.told() for _ in range(5)), return_exceptions=True)
    assert it.model.calls == 2
    assert [type(each) for each in told] == [BudgetSpent, *[tuple] * 4]


class Rungless:
    async def instead(self, failure: Exception, *_: Any) -> Answer:
        raise failure


async def test_an_answer_that_breaks_breaks_for_all_who_were_told_of_it(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.model.breaks_at = 3
        first = await it.begun()
        await anext(first.events)
        second = await it.begun()
        await anext(second.events)
        for answer in (first, second):
            with pytest.raises(ProviderError):
                await collect(answer.events)
        assert {row.status for row in it.rows} == {502}


@pytest.mark.parametrize(
    "fields",
    [
        {"params": {"temperature": 1}},
        {"use_cache": False},
        {"deadline": 5.0},
        {"n": 2},
    ],
    ids=["warm", "cache off", "a deadline of its own", "several choices"],
)
async def test_what_may_not_be_given_again_is_not_shared(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    async with world(tmp_path) as it:
        await asyncio.gather(*(it.told(**fields) for _ in range(3)))
    assert it.model.calls == 3


async def test_who_reads_deltas_may_join_who_takes_bytes_as_they_came(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.model.verbatim = True
        ways: list[dict[str, Any]] = [
            {"verbatim": True},
            {"verbatim": False},
            {"stream": False},
            {"verbatim": True},
        ]
        told = await asyncio.gather(*(it.told(**way) for way in ways))
    assert [text for text, _ in told] == [WHOLE] * 4
    assert it.model.calls == 1


async def test_a_whole_answer_is_nobodys_to_change(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.model.verbatim = True
        fields: dict[str, Any] = {"stream": False, "verbatim": True}
        answers = await asyncio.gather(*(it.begun(**fields) for _ in range(3)))
        wholes = [await collect(answer.events) for answer in answers]
    assert [whole.completion is not None for whole in wholes].count(True) == 1
    assert {whole.text for whole in wholes} == {WHOLE}


async def test_a_request_that_nobody_joins_takes_no_task(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        before = asyncio.all_tasks()
        answer = await it.begun()
        await anext(answer.events)
        assert asyncio.all_tasks() == before
        await collect(answer.events)


async def test_whoever_leaves_whenever_the_others_are_told_all(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        for seed in range(100):
            await _someone_leaves(it, random.Random(seed), f"Count, for the time {seed}.")
            assert (it.open, it.model.open) == (0, 0)


async def _someone_leaves(it: World, chance: random.Random, question: str) -> None:
    it.model.failures = [ProviderError("Not now.")] if chance.random() < 0.3 else []

    async def one() -> str:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        return (await it.told(question, stream=chance.random() < 0.8))[0]

    tasks = [asyncio.create_task(one()) for _ in range(8)]
    leaving = chance.sample(tasks, chance.randrange(7))
    for task in leaving:
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [end for end in ends if isinstance(end, ProviderError)]
    left = [task for task, end in zip(tasks, ends, strict=True) if task.cancelled()]
    assert set(left) <= set(leaving)
    assert ends.count(WHOLE) + len(failed) + len(left) == len(ends)
