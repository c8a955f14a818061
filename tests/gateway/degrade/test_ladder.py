"""What stands in when no model answers, through a gateway built from a configuration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.config import CacheConfig, MemoryStore, SemanticConfig
from cache.memory import MemoryCache
from cache.types import Entry
from cache.verification.verifier import TrainedVerifier
from gateway.build import build
from gateway.config import parse
from gateway.errors import GatewayError, HandedOver, NoModelAvailable, ProviderTimeout
from gateway.ingestion import ingest
from gateway.keeping import written
from gateway.known import KnownAnswers
from gateway.ledger.types import Request
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected, collect
from gateway.tracing.trace import Span, Trace
from gateway.types import Ask, Caller, Done
from retrieval.types import Query
from tests.retrieval.ingestion.fakes import Hashing

pytestmark = pytest.mark.anyio

DOWN = """
data = "{data}"
[providers.down]
kind = "simulated"
fault = "error"
[routing]
default = ["down/simulated"]
[dispatch]
retries = 0
retries_before_fallback = 0
"""
NOTHING_CONFIGURED = 'data = "{data}"\n'
CANNED = '[[degrade.canned]]\ntopic = "any"\nanswer = "We are back soon."\ndefault = true\n'
RETURNS = "# EU returns\n\nCustomers in the EU may return goods within 30 days of delivery.\n"
QUESTION = "Within how many days may customers in the EU return goods?"
JSON = {"response_format": {"type": "json_object"}}


@asynccontextmanager
async def built(text: str, folder: Path, documents: str = "") -> AsyncIterator[Gateway]:
    async with build(parse(text.format(data=folder / "data"))) as gateway:
        if documents:
            (folder / "returns.md").write_text(documents)
            files = [folder / "returns.md"]
            assert [event async for event in ingest(gateway, files, "default", prune=False)]
        yield gateway


def ask(question: str = "Why is the sky blue?", **fields: Any) -> Ask:
    usual: dict[str, Any] = {"grounding": "off"}
    return Ask("auto", ({"role": "user", "content": question},), question, **(usual | fields))


async def told(gateway: Gateway, asked: Ask, trace: Trace | None = None) -> tuple[Collected, Done]:
    answer = await gateway.answer(None, asked, trace or Trace())
    whole = await collect(answer.events)
    assert whole.done is not None
    assert answer.known.degraded == whole.done.degraded
    return whole, whole.done


async def handed_over(gateway: Gateway, asked: Ask) -> dict[str, str]:
    """Every step and why it was not taken."""
    with pytest.raises(HandedOver) as caught:
        await told(gateway, asked)
    return {each["step"]: each["why"] for each in caught.value.body()["moorline"]["tried"]}


async def row(gateway: Gateway, trace: Trace) -> Request:
    await asyncio.to_thread(gateway.accounting.ledger.flush)
    recorded = await asyncio.to_thread(gateway.accounting.queries.trace, trace.id)
    assert recorded is not None
    return recorded.request


async def test_a_step_that_is_not_taken_says_why(tmp_path: Path) -> None:
    async with built(DOWN, tmp_path) as gateway:
        why = await handed_over(gateway, ask())
    assert list(why) == ["models", "cached", "extract", "canned"]
    assert "down/simulated" in why["models"]
    assert why["extract"] == "The request is not grounded."


async def test_a_model_that_is_left_alone_is_stepped_down_from(tmp_path: Path) -> None:
    shut = "[dispatch.breaker]\nfailures = 1\nminimum_calls = 1\n"
    async with built(DOWN + shut + CANNED, tmp_path) as gateway:
        await told(gateway, ask())
        trace = Trace()
        _, done = await told(gateway, ask(), trace)
        assert (done.degraded, (await row(gateway, trace)).attempts) == ("canned", 0)


async def test_the_built_in_model_does_not_hide_why_the_others_failed(tmp_path: Path) -> None:
    chain = 'default = ["down/simulated", "extractive/extractive"]'
    async with built(DOWN.replace('default = ["down/simulated"]', chain), tmp_path) as gateway:
        why = await handed_over(gateway, ask())
    assert "down/simulated, extractive/extractive" in why["models"]
    assert "documents" not in why["models"]


async def test_what_the_passages_do_not_answer_goes_further_down(tmp_path: Path) -> None:
    async with built(DOWN, tmp_path, RETURNS) as gateway:
        why = await handed_over(gateway, ask("Who sang at the opening?", grounding="open"))
    assert why["extract"] == "The passages do not answer."


async def test_no_step_embeds_or_searches_again(tmp_path: Path) -> None:
    trace = Trace()
    async with built(DOWN + CANNED, tmp_path, RETURNS) as gateway:
        _, done = await told(gateway, ask(QUESTION, grounding="strict"), trace)
    names = [span.name for span in trace.spans]
    assert (done.degraded, names.count("embed"), names.count("retrieve")) == ("extract", 1, 1)


@pytest.mark.parametrize("grounding", ["off", "strict"])
async def test_an_answer_that_stands_in_is_told_for_every_choice(
    tmp_path: Path, grounding: str
) -> None:
    async with built(DOWN + CANNED, tmp_path, RETURNS) as gateway:
        whole, _ = await told(gateway, ask(QUESTION, n=3, grounding=grounding))
    assert sorted(whole.choices) == [0, 1, 2]
    assert len({choice.text for choice in whole.choices.values()}) == 1
    assert {choice.finish for choice in whole.choices.values()} == {"stop"}


async def test_prose_does_not_stand_in_for_json(tmp_path: Path) -> None:
    async with built(DOWN + CANNED, tmp_path, RETURNS) as gateway:
        why = await handed_over(gateway, ask(QUESTION, grounding="strict", params=JSON))
    assert why["extract"] == why["canned"] == "The request wants more than prose."


@pytest.mark.parametrize("canned", [False, True])
async def test_with_nothing_configured_and_nothing_to_quote_there_is_no_500(
    tmp_path: Path, canned: bool
) -> None:
    async with built(NOTHING_CONFIGURED + (CANNED if canned else ""), tmp_path) as gateway:
        if canned:
            whole, done = await told(gateway, ask())
            assert (whole.text, done.degraded) == ("We are back soon.", "canned")
        else:
            assert "quotes documents only" in (await handed_over(gateway, ask()))["models"]


async def test_with_nothing_configured_the_documents_are_the_first_choice(tmp_path: Path) -> None:
    async with built(NOTHING_CONFIGURED, tmp_path, RETURNS) as gateway:
        whole, done = await told(gateway, ask(QUESTION, grounding="strict"))
    assert "within 30 days" in whole.text
    assert done.degraded == ""


async def test_an_empty_ladder_leaves_the_failure_as_it_is(tmp_path: Path) -> None:
    async with built(DOWN + "[degrade]\nsteps = []\n" + CANNED, tmp_path) as gateway:
        with pytest.raises(NoModelAvailable) as caught:
            await told(gateway, ask())
    assert not isinstance(caught.value, HandedOver)


class Failing:
    """A dispatcher that raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def start(self, *_: object) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "stepped_down"),
    [
        (NoModelAvailable("all are away"), True),
        (ProviderTimeout("too slow"), True),
        (GatewayError("broken"), False),
        (asyncio.CancelledError(), False),
    ],
)
async def test_only_a_model_that_does_not_answer_is_stepped_down_from(
    tmp_path: Path, error: BaseException, stepped_down: bool
) -> None:
    async with built(DOWN + CANNED, tmp_path) as gateway:
        failing = replace(gateway, answers=Failing(error))  # type: ignore[arg-type]
        if stepped_down:
            assert (await told(failing, ask()))[1].degraded == "canned"
        else:
            with pytest.raises(type(error)):
                await told(failing, ask())


@pytest.mark.parametrize("grounding", ["off", "strict"])
async def test_what_stands_in_costs_nothing_and_counts_for_no_tokens(
    tmp_path: Path, grounding: str
) -> None:
    trace = Trace()
    async with built(DOWN + CANNED, tmp_path, RETURNS) as gateway:
        made = gateway.accounts.store.create("tests", tokens_per_minute=3000)
        gateway.accounts.refresh()
        asked = ask(QUESTION, grounding=grounding)
        for _ in range(8):  # each reserves 500 tokens or more, and gives them all back
            answer = await gateway.answer(f"Bearer {made.secret}", asked, Trace())
            await collect(answer.events)
        _, done = await told_with(gateway, made.secret, asked, trace)
        kept = await row(gateway, trace)
    assert (done.cost_usd, kept.cost_usd) == (0, 0)
    assert kept.degraded == ("canned" if grounding == "off" else "extract")


async def told_with(
    gateway: Gateway, secret: str, asked: Ask, trace: Trace
) -> tuple[Collected, Done]:
    answer = await gateway.answer(f"Bearer {secret}", asked, trace)
    whole = await collect(answer.events)
    assert whole.done is not None
    return whole, whole.done


async def test_the_trace_tells_the_whole_way_down(tmp_path: Path) -> None:
    trace = Trace()
    async with built(DOWN + CANNED, tmp_path) as gateway:
        await told(gateway, ask(), trace)
    (span,) = [span for span in trace.spans if span.name == "degrade"]
    assert [each["step"] for each in span.attributes["tried"]] == ["models", "cached", "extract"]
    assert (span.attributes["step"], span.attributes["topic"]) == ("canned", "any")
    assert isinstance(span, Span)


CACHE = CacheConfig(ttl_seconds=1, semantic=SemanticConfig(enabled=True))
ALIKE = Query("", np.ones(2, dtype=np.float32) / 2**0.5)

words = st.sampled_from(["How?", "Why?", "Where?"])
callers = st.builds(
    Caller,
    key=st.sampled_from(["k1", "k2"]),
    name=st.just(""),
    team=st.sampled_from(["red", "blue", "red\x00", ""]),
    collections=st.sampled_from([(), ("a",), ("a", "b")]),
)
asks = st.builds(
    lambda turns, temperature: Ask(
        "auto",
        tuple({"role": "user", "content": turn} for turn in turns),
        turns[-1],
        {"temperature": temperature},
    ),
    st.lists(words, min_size=1, max_size=3),
    st.sampled_from([0, 0.1]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(callers, asks), max_size=8), callers, asks)
async def test_no_team_is_given_what_another_was_answered(
    before: list[tuple[Caller, Ask]], caller: Caller, asked: Ask
) -> None:
    cache = MemoryCache(CACHE, MemoryStore())
    verifier, encoder = TrainedVerifier(CACHE.semantic), Hashing()
    known = KnownAnswers(cache, CACHE, "policy", verifier, encoder, stale_for=1e9)
    for number, (other, theirs) in enumerate(before):
        scope = known.scope(other, theirs, None)
        assert scope is not None
        said = {0: Choice(f"{other.team!r} {number}", finish="stop")}
        made_at = time.time() - 100 * (number % 2)  # some are stale
        entry = Entry(written(said, Done()), theirs.question, (), made_at)
        await cache.fill(scope, entry, ALIKE, stale_for=1e9)
    recall = await known.recall(caller, asked, None, Trace())
    recall.query = ALIKE
    if answer := await recall.older(threshold=0):
        assert (await collect(answer.events)).text.startswith(repr(caller.team))
