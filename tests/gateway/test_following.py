"""A follow-up is completed for the search; the model reads what was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.following import followed, turns
from gateway.messages import question_of
from gateway.tracing.trace import Trace
from gateway.types import Ask
from retrieval.questions.follow_ups import Turn
from tests.gateway.asking import COST, completion, helped, span
from tests.gateway.providers.scripted import answer

MESSAGES: tuple[dict[str, Any], ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the VAT rate in Germany?"},
    {"role": "assistant", "content": "19 % [1]."},
    {"role": "user", "content": [{"type": "text", "text": "and in France?"}]},
)


def ask(*messages: dict[str, Any]) -> Ask:
    return Ask("auto", messages, question_of(messages))


def test_the_question_is_completed_and_the_messages_are_not() -> None:
    trace = Trace()
    found = followed(ask(*MESSAGES), trace)
    assert found.question == "What is the VAT rate in France?"
    assert found.messages == MESSAGES
    (span,) = trace.spans
    assert span.attributes == {"query": "What is the VAT rate in France?"}


def test_what_stands_alone_leaves_no_trace() -> None:
    trace = Trace()
    asked = ask(*MESSAGES[:3], {"role": "user", "content": "Who pays for travel in Germany?"})
    assert followed(asked, trace) is asked
    assert followed(ask(MESSAGES[1]), trace).question == MESSAGES[1]["content"]
    assert trace.spans == []


def test_turns_are_questions_with_their_answers() -> None:
    assert list(turns(MESSAGES)) == [Turn("What is the VAT rate in Germany?", "19 % [1].")]


FOLLOWING = '[grounding.follow_ups]\nmodel = "helper/small"\n'
EARLIER = ("May I send goods back?", "Yes [1].")


@pytest.mark.anyio
async def test_a_model_makes_it_stand_alone_and_is_paid(tmp_path: Path) -> None:
    said = completion("Within how many days\nmay I send goods back?")
    async with helped(tmp_path, FOLLOWING, said) as helping:
        done, spans = await helping.told("within how many days?", *EARLIER)
        (body,) = helping.asked()
        ((row, _),) = helping.rows
    told = span(spans, "follow.model").attributes
    assert told["query"] == "Within how many days may I send goods back?"
    assert told["cost_usd"] == done.cost_usd == row.cost_usd == pytest.approx(COST)
    shown = body["messages"][1]["content"]
    assert "User: May I send goods back?\nAssistant: Yes [1]." in shown
    assert "<question>\nwithin how many days?\n</question>" in shown
    prompted = str(span(spans, "pack").attributes["prompt"])
    assert "Within how many days may" not in prompted  # the answering model reads what was said


@pytest.mark.anyio
async def test_the_first_question_asks_no_model(tmp_path: Path) -> None:
    async with helped(tmp_path, FOLLOWING, completion("Other?")) as helping:
        await helping.told("within how many days?")
        assert helping.server.requests == []


@pytest.mark.anyio
@pytest.mark.parametrize("said", [answer(b"{}", 500), completion(" \n ")])
async def test_where_the_model_fails_the_rules_are_followed(tmp_path: Path, said: bytes) -> None:
    async with helped(tmp_path, FOLLOWING, said) as helping:
        _, spans = await helping.told(
            "and in France?", "What is the VAT rate in Germany?", "19 % [1]."
        )
    assert "the rules are followed" in span(spans, "follow.model").attributes["notes"][0]
    assert span(spans, "follow").attributes["query"] == "What is the VAT rate in France?"


@pytest.mark.anyio
async def test_a_model_that_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    async with helped(tmp_path, f"{FOLLOWING}time_ms = 50\n") as helping:
        done, spans = await helping.told("and in France?", "What is the VAT in Germany?", "19 %.")
    assert "longer than 50 ms" in span(spans, "follow.model").attributes["notes"][0]
    assert span(spans, "follow").attributes["query"] == "What is the VAT in France?"
    assert done.cost_usd > 0


@pytest.mark.anyio
async def test_a_kept_answer_is_free_but_for_the_model_that_asked_for_it(tmp_path: Path) -> None:
    more = f"{FOLLOWING}[cache.semantic]\nenabled = true\n"
    async with helped(tmp_path, more, completion("How long may I send goods back?")) as helping:
        await helping.told("how long?", *EARLIER)
        done, _ = await helping.told("how long then?", *EARLIER)
    assert done.cache == "semantic"
    assert done.cost_usd == pytest.approx(COST)
