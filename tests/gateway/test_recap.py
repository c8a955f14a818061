"""Turns that do not fit are summed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask
from tests.gateway.asking import COST, completion, helped, span
from tests.gateway.providers.scripted import answer

CONFIG = """
[context]
chats = "shorten"
[context.summarise]
model = "helper/small"
"""
WORDS = " ".join(["word"] * 120)


def chat(turns: int) -> Ask:
    """Of a model with a window for some twenty of such turns."""
    messages = [
        message
        for number in range(turns)
        for message in (
            {"role": "user", "content": f"Question {number}. {WORDS}"},
            {"role": "assistant", "content": f"Answer {number}."},
        )
    ]
    messages.append({"role": "user", "content": "And now?"})
    return Ask("sim/simulated", tuple(messages), "And now?", grounding="off")


@pytest.mark.anyio
async def test_a_summary_is_quoted_in_their_place_and_paid(tmp_path: Path) -> None:
    async with helped(tmp_path, CONFIG, completion("They ask of seals.")) as helping:
        trace = Trace()
        told = await helping.gateway.answer(None, chat(400), trace)
        done = (await collect(told.events)).done
        (body,) = helping.asked()
    assert done is not None
    assert done.cost_usd == pytest.approx(COST)
    prompt = span(trace.spans, "pack").attributes["prompt"]
    assert prompt[0]["role"] == "user"
    assert prompt[0]["content"].startswith(
        '<conversation note="Earlier turns, summed up.">\nThey ask of seals.\n</conversation>'
    )
    assert "user: Question" in body["messages"][1]["content"]


@pytest.mark.anyio
async def test_the_next_turns_are_answered_with_the_same_summary(tmp_path: Path) -> None:
    async with helped(tmp_path, CONFIG, completion("They ask of seals.")) as helping:
        for turns in (400, 401, 410):
            told = await helping.gateway.answer(None, chat(turns), Trace())
            await collect(told.events)
        assert len(helping.asked()) == 1


@pytest.mark.anyio
async def test_where_the_model_fails_the_turns_are_left_out(tmp_path: Path) -> None:
    async with helped(tmp_path, CONFIG, answer(b"{}", status=500)) as helping:
        trace = Trace()
        told = await helping.gateway.answer(None, chat(400), trace)
        await collect(told.events)
    assert "left out" in span(trace.spans, "summarise").attributes["notes"][0]
    prompt = span(trace.spans, "pack").attributes["prompt"]
    assert prompt[0]["content"].startswith("Question")


@pytest.mark.anyio
async def test_a_chat_that_fits_asks_nobody(tmp_path: Path) -> None:
    async with helped(tmp_path, CONFIG) as helping:
        told = await helping.gateway.answer(None, chat(3), Trace())
        await collect(told.events)
        assert helping.asked() == []


@pytest.mark.anyio
async def test_what_is_summed_up_is_read_from_the_earlier_summary_to_the_last_turn(
    tmp_path: Path,
) -> None:
    async with helped(tmp_path, CONFIG, completion("They ask of seals.")) as helping:
        for turns in (400, 800):
            told = await helping.gateway.answer(None, chat(turns), Trace())
            await collect(told.events)
        first, second = (body["messages"][1]["content"] for body in helping.asked())
    assert "Question 0." in first
    assert "summary of earlier turns: They ask of seals." in second
    read = [number for number in range(800) if f"user: Question {number}. " in first + second]
    assert read == list(range(len(read)))
    assert len(read) > 700
