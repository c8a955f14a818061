"""Which earlier answers are given again, through a gateway built from a configuration."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from context.prompts.catalogue import Prompts
from context.types import Prompt
from gateway.build import build, policy
from gateway.config import parse
from gateway.dispatch import Begun
from gateway.errors import GatewayError, NotCached
from gateway.ingestion import Collections, of
from gateway.known import OF_THE_ASK, OF_THE_CALLER
from gateway.pipeline import Gateway
from gateway.streams import collect, replay
from gateway.tracing.trace import Span, Trace
from gateway.types import Ask, Caller, Delta, Done, Usage
from gateway.wishes import Wishes, wishes_of
from retrieval.sources.types import Item
from routing.types import Plan

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
cite = true
answer = "echo"
[providers.cut]
kind = "simulated"
fault = "cut"
[providers.down]
kind = "simulated"
fault = "error"
[models.backed]
use = ["down/simulated", "sim/simulated"]
[dispatch]
retries = 0
retries_before_fallback = 0
{more}
"""
SEMANTIC = "[cache.semantic]\nenabled = true\nmax_error_rate = 0.2\n"
QUESTION = "Within how many days may goods be returned?"
RETURNS = "# Returns\n\nGoods may be returned within {days} days of delivery.\n"
CARDS = "# Gift cards\n\nGift cards are never refunded in cash.\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class World:
    """A gateway and what it is asked."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.collections = of(gateway)

    def saying(self, *said: Delta) -> Saying:
        """Whatever is asked from now on, this is said."""
        model = Saying(*said)
        self.gateway = replace(self.gateway, answers=model)  # type: ignore[arg-type]
        return model

    async def bring(self, name: str, text: str, **meta: Any) -> None:
        """One document, as it is from now on."""
        await brought(self.collections, name, text, **meta)

    async def told(self, question: str = QUESTION, **given: Any) -> Told:
        trace = Trace()
        headers = {
            name.replace("_", "-").encode(): given.pop(name).encode()
            for name in ("cache_control", "x_moorline_cache")
            if name in given
        }
        trace.wishes = wishes_of(headers)
        answer = await self.gateway.answer(None, ask(question, **given), trace)
        whole = await collect(answer.events)
        assert whole.done is not None
        return Told(whole.text, whole.done, [span.name for span in trace.spans])


class Told:
    """An answer, and the stages that it took."""

    def __init__(self, text: str, done: Done, stages: list[str]) -> None:
        self.text, self.done, self.stages = text, done, stages

    @property
    def cache(self) -> str:
        return self.done.cache


class Saying:
    """Models that all say the same."""

    def __init__(self, *said: Delta) -> None:
        self.said, self.calls = said, 0

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span, *_: Any) -> Begun:
        self.calls += 1
        events = [replace(each) for each in self.said]
        return Begun(replay(events, Done(usage=Usage(9, 9))), plan.targets[0])


def ask(question: str, model: str = "sim/simulated", **fields: Any) -> Ask:
    return Ask(model, ({"role": "user", "content": question},), question, **fields)


async def brought(collections: Collections, name: str, text: str, **meta: Any) -> None:
    item = Item(name, name, len(text), text.encode)
    report = await collections.bring("default", [item], meta)
    assert not report.failed


@asynccontextmanager
async def world(folder: Path, more: str = "") -> AsyncIterator[World]:
    async with build(parse(CONFIG.format(data=folder, more=more))) as gateway:
        it = World(gateway)
        await it.bring("returns.md", RETURNS.format(days=30))
        yield it


async def test_a_change_elsewhere_costs_a_search_once_and_no_model(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        first = await it.told()
        await it.bring("cards.md", CARDS)
        second = await it.told(top_k=1)
        assert second.cache == "miss"  # another number of passages is another request
        await it.bring("cards.md", CARDS.replace("never", "not"))
        again, then = await it.told(top_k=1), await it.told(top_k=1)
    assert (again.cache, again.text) == ("exact", second.text)
    assert "cache.confirm" in again.stages
    assert "dispatch" not in again.stages
    assert then.cache == "exact"
    assert "retrieve" not in then.stages
    assert first.cache == "miss"


async def test_a_new_document_that_would_be_found_is_read(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.told()
        await it.bring("more.md", RETURNS.format(days=99).replace("Returns", "Longer returns"))
        after = await it.told()
    assert after.cache == "miss"
    assert {source.document for source in after.done.sources} == {"returns.md", "more.md"}


async def test_nothing_found_is_remembered_until_something_is(tmp_path: Path) -> None:
    asked = "What is the wingspan of an albatross?"
    async with world(tmp_path) as it:
        first, again = await it.told(asked), await it.told(asked)
        await it.bring("birds.md", "# Birds\n\nThe wingspan of an albatross is 3.5 metres.\n")
        found = await it.told(asked)
    assert (first.done.grounded, first.cache, again.cache) == (False, "miss", "exact")
    assert found.cache == "miss"
    assert "dispatch" in found.stages


async def test_nothing_found_is_said_of_these_very_words_alone(tmp_path: Path) -> None:
    async with world(tmp_path, SEMANTIC) as it:
        await it.told("What is the wingspan of an albatross?")
        other = await it.told("What is the wingspan of an albatross, please?")
    assert other.cache == "miss"


async def test_a_version_is_not_served_where_nobody_was_told_that_it_went(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.told()
        library, config = it.gateway.library, it.gateway.config.retrieval
        unheard = Collections(library.indexes, it.gateway.encoder, config)
        await brought(unheard, "returns.md", RETURNS.format(days=14))
        after = await it.told(model="extractive"), await it.told()
    assert [each.cache for each in after] == ["miss", "miss"]
    assert "14 days" in after[0].text


async def test_an_answer_that_was_made_while_its_source_changed_is_not_kept(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        asked = ask(QUESTION, "extractive")
        answer = await it.gateway.answer(None, asked, Trace())
        await it.bring("returns.md", RETURNS.format(days=14))
        old = await collect(answer.events)
        assert "30 days" in old.text
        assert (await it.gateway.known.cache.stats()).entries == 0
        after = await it.told(model="extractive")
    assert (after.cache, "14 days" in after.text) == ("miss", True)


async def test_another_wording_is_confirmed_by_the_documents_that_it_finds(tmp_path: Path) -> None:
    asked, alike = QUESTION, "Within how many days can goods be returned?"
    async with world(tmp_path, SEMANTIC) as it:
        await it.told(asked, top_k=1)
        await it.bring("cards.md", CARDS)
        same = await it.told(alike, top_k=1)
        await it.bring("more.md", RETURNS.format(days=99))
        newer = await it.told(alike, top_k=2)
    assert (same.cache, "cache.confirm" in same.stages) == ("semantic", True)
    assert newer.cache == "miss"


async def test_an_entry_does_not_outlive_the_validity_of_a_source(tmp_path: Path) -> None:
    end = time.time() + 3600
    async with world(tmp_path) as it:
        await it.bring("returns.md", RETURNS.format(days=30), valid_until=end)
        await it.told()
        (kept,) = it.gateway.known.cache._kept.values()  # type: ignore[attr-defined]
        assert kept.entry.until == pytest.approx(end)
        kept.entry = replace(kept.entry, until=time.time() - 1)
        assert (await it.told()).cache == "miss"


@contextmanager
def away(it: World) -> Iterator[None]:
    """Nobody can say which edition the documents are in."""
    from retrieval.index.embedded import EmbeddedIndex
    from retrieval.types import RetrievalError

    async def latest(self: EmbeddedIndex) -> str:
        raise RetrievalError("away")

    before = EmbeddedIndex.latest
    EmbeddedIndex.latest = latest  # type: ignore[method-assign]
    try:
        yield
    finally:
        EmbeddedIndex.latest = before  # type: ignore[method-assign]


async def test_an_edition_that_cannot_be_told_is_no_edition(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.told()
        with away(it):
            assert (await it.told()).cache == "off"


async def test_refresh_is_answered_anew_and_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        states = [
            (await it.told(**headers)).cache
            for headers in ({}, {"x_moorline_cache": "refresh"}, {"cache_control": "no-cache"}, {})
        ]
    assert states == ["miss", "miss", "miss", "exact"]


async def test_off_is_neither_read_nor_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        states = [(await it.told(x_moorline_cache="off")).cache for _ in range(2)]
        states += [(await it.told()).cache]
    assert states == ["off", "off", "miss"]


async def test_no_store_may_be_given_what_is_kept_and_keeps_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        states = [(await it.told(cache_control="no-store")).cache, (await it.told()).cache]
        states += [(await it.told(cache_control="no-store")).cache]
    assert states == ["miss", "miss", "exact"]


async def test_max_age_takes_nothing_older(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.told()
        young, old = (
            await it.told(cache_control="max-age=60"),
            await it.told(cache_control="max-age=0"),
        )
    assert (young.cache, old.cache) == ("exact", "miss")
    assert young.done.age is not None
    assert 0 <= young.done.age < 60
    assert old.done.age is None


async def test_only_is_an_earlier_answer_or_none(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        with pytest.raises(NotCached):
            await it.told(x_moorline_cache="only")
        await it.told()
        assert (await it.told(x_moorline_cache="only")).cache == "exact"
        await it.bring("cards.md", CARDS)
        with pytest.raises(NotCached):
            await it.told(cache_control="only-if-cached")


async def test_only_asks_no_model_for_anything(tmp_path: Path) -> None:
    more = '[grounding.follow_ups]\nmodel = "sim/simulated"\n' + SEMANTIC
    async with world(tmp_path, more) as it:
        messages = (
            {"role": "user", "content": "Who are you?"},
            {"role": "assistant", "content": "A machine."},
            {"role": "user", "content": "And how many days?"},
        )
        for wish in (b"only", b"on"):
            trace = Trace()
            trace.wishes = wishes_of({b"x-moorline-cache": wish})
            asked = Ask("sim/simulated", messages, "And how many days?")
            try:
                await collect((await it.gateway.answer(None, asked, trace)).events)
            except NotCached:
                assert wish == b"only"
            called = "follow.model" in [span.name for span in trace.spans]
            assert called == (wish == b"on")


async def test_only_is_refused_before_anything_is_embedded_where_nothing_can_be_found(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        trace = Trace()
        trace.wishes = wishes_of({b"x-moorline-cache": b"only"})
        with pytest.raises(NotCached):
            await it.gateway.answer(None, ask(QUESTION), trace)
    assert "embed" not in [span.name for span in trace.spans]


async def test_what_encoder_and_verifier_do_not_read_whole_is_not_similar(tmp_path: Path) -> None:
    minutes = "The minutes of a meeting about grain on the northern sea routes. " * 40
    async with world(tmp_path, SEMANTIC) as it:
        it.saying(Delta("Yes.", finish="stop"))
        states = [
            (await it.told(minutes + question, grounding="off", params={"temperature": 0})).cache
            for question in ("Who chaired the meeting?", "Who chaired this meeting?")
        ]
        held = await it.gateway.known.cache.stats()
    assert states == ["miss", "miss"]
    assert (held.questions, held.entries) == (0, 2)
    assert held.bytes < 15_000  # of each question no more is kept than is compared


def called(arguments: str) -> Delta:
    function = {"name": "look", "arguments": arguments}
    calls = [{"index": 0, "id": "1", "type": "function", "function": function}]
    return Delta("", fields={"tool_calls": calls}, finish="tool_calls")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (Delta("Thirty.", finish="stop"), True),
        (called('{"a": 1}'), True),
        (Delta("", finish="stop"), False),
        (Delta("Thirty, but"), False),
        (called('{"a": '), False),
        (Delta("I'm sorry, but I can't help with that.", finish="stop"), False),
    ],
    ids=["text", "a call", "nothing", "no end", "a call cut short", "a refusal in words"],
)
async def test_only_an_answer_that_is_one_is_kept(tmp_path: Path, said: Delta, kept: bool) -> None:
    async with world(tmp_path) as it:
        it.saying(said)
        cool: dict[str, Any] = {"grounding": "off", "params": {"temperature": 0}}
        states = [(await it.told(**cool)).cache for _ in range(2)]
    assert states == ["miss", "exact" if kept else "miss"]


async def test_a_strict_answer_that_stands_on_no_document_is_not_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.saying(Delta("The king of Spain allows 99 years.", finish="stop"))
        told = [await it.told() for _ in range(2)]
    assert [(each.done.grounding, each.done.grounded, each.cache) for each in told] == [
        ("strict", False, "miss")
    ] * 2


async def test_a_request_that_wants_variety_is_kept_where_it_says_so(tmp_path: Path) -> None:
    hot: dict[str, Any] = {"params": {"temperature": 0.9}, "n": 2, "grounding": "off"}
    async with world(tmp_path) as it:
        states = [(await it.told(**hot)).cache]
        states += [(await it.told(**hot, x_moorline_cache="on")).cache for _ in range(2)]
    assert states == ["off", "miss", "exact"]


async def test_a_large_request_is_digested_beside_the_loop(tmp_path: Path) -> None:
    seen: list[int] = []

    class Seen:
        def __repr__(self) -> str:
            seen.append(threading.get_ident())
            return "seen"

    async with world(tmp_path) as it:
        for question in ("short", "long " * 10_000):
            asked = ask(question, params={"temperature": 0, "seen": Seen()})
            await it.gateway.known.recall(Caller("k", "k"), asked, None, Trace())
    assert [each == threading.get_ident() for each in seen] == [True, False]


async def test_null_is_as_if_it_were_not_given(tmp_path: Path) -> None:
    free: dict[str, Any] = {"grounding": "off", "params": {"temperature": None}}
    async with world(tmp_path) as it:
        assert (await it.told(**free)).cache == "off"
        one = {"temperature": 0, "stop": None}
        same = {"temperature": 0.0, "user": "ann"}
        states = [
            (await it.told(grounding="off", params=params)).cache for params in (one, same, same)
        ]
    assert states == ["miss", "exact", "exact"]


async def test_every_choice_is_given_again(tmp_path: Path) -> None:
    asked = ask(QUESTION, n=2, grounding="off")
    wishes = Wishes(hot=True)
    async with world(tmp_path) as it:
        texts = []
        for _ in range(2):
            trace = Trace()
            trace.wishes = wishes
            whole = await collect((await it.gateway.answer(None, asked, trace)).events)
            texts.append({index: choice.text for index, choice in whole.choices.items()})
    assert texts[0] == texts[1]
    assert sorted(texts[0]) == [0, 1]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "backed"},  # another model stood in
        {"params": {"max_tokens": 2, "temperature": 0}},  # it ended at its length
        {"model": "cut/simulated"},  # it broke off
    ],
    ids=["degraded", "length", "cut"],
)
async def test_what_is_not_whole_is_never_kept(tmp_path: Path, fields: dict[str, Any]) -> None:
    async with world(tmp_path) as it:
        try:
            told = await it.told(grounding="off", **{"params": {"temperature": 0}, **fields})
            assert told.cache == "miss"
        except GatewayError:
            assert fields == {"model": "cut/simulated"}
        assert (await it.gateway.known.cache.stats()).entries == 0


async def test_an_answer_that_its_client_left_is_not_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        asked = ask("Talk.", grounding="off", stream=True, params={"temperature": 0})
        answer = await it.gateway.answer(None, asked, Trace())
        await anext(answer.events)
        await answer.events.aclose()
        assert (await it.gateway.known.cache.stats()).entries == 0


async def test_an_answer_that_a_guard_has_redacted_is_not_kept(tmp_path: Path) -> None:
    secret = "sk-proj-" + "a1B2" * 12
    async with world(tmp_path) as it:
        await it.bring("keys.md", f"# The pump's key\n\nThe key of the pump is {secret} today.\n")
        told = await it.told("What is the key of the pump?", model="extractive")
        assert secret not in told.text
        entries = (await it.gateway.known.cache.stats()).entries
    assert (told.done.redacted, entries) == (True, 0)


async def test_a_replayed_stream_begins_and_ends_like_a_live_one(tmp_path: Path) -> None:
    asked = ask(QUESTION, stream=True)
    async with world(tmp_path) as it:
        streams = []
        for _ in range(2):
            answer = await it.gateway.answer(None, asked, Trace())
            streams.append([event async for event in answer.events])
    live, again = streams
    assert isinstance(again[-1], Done)
    assert again[-1].cache == "exact"
    deltas = [event for event in again if isinstance(event, Delta)]
    assert (deltas[0].text, deltas[-1].finish) == ("", "stop")
    assert "".join(each.text for each in deltas) == "".join(
        each.text for each in live if isinstance(each, Delta)
    )


def test_whatever_a_request_says_is_compared_unless_it_only_shapes_the_telling() -> None:
    told = {"stream", "include_usage", "use_cache", "deadline", "door", "verbatim"}
    otherwise = {"messages", "document", "question", "params"}
    otherwise |= {"collection", "top_k", "grounding", "where"}
    assert {each.name for each in fields(Ask)} - set(OF_THE_ASK) == told | otherwise
    limits = {"requests_per_minute", "tokens_per_minute", "budget_usd"}
    otherwise = {"key", "name", "admin", "collection", "groups"}
    assert {each.name for each in fields(Caller)} - set(OF_THE_CALLER) == limits | otherwise


def test_a_section_of_the_configuration_that_changes_answers_misses_what_was_kept() -> None:
    prompts = Prompts((), {})
    usual = policy(parse(""), prompts)
    priced = """
[providers.sim]
kind = "simulated"
models = [{ name = "simulated", input_usd_per_million = 1 }]
"""
    for changed in ("[grounding]\nmode = 'open'", "[routing]\ndefault = ['extractive/extractive']"):
        assert policy(parse(changed), prompts) != usual
    assert policy(parse(priced), prompts) != policy(parse(priced.replace("1 }", "2 }")), prompts)
    assert policy(parse("[server]\nport = 1"), prompts) == usual
