"""Answers that take several calls, seen by the official client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI

from gateway.config import parse
from tests.e2e.conftest import background
from tests.gateway.asking import COMPLETION, CONFIG, COST, PROMPT, completion
from tests.gateway.providers.scripted import Scripted, answer, chunked, scripted
from tests.serving import serving

MORE = "[strategies]\nsamples = 3\n"
QUESTION: Any = [{"role": "user", "content": "How many days is it?"}]
SECRET = "SECRET: it says thirty somewhere."


def streamed(*texts: str) -> bytes:
    """What the server says: chunks."""
    head: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "model": "small"}
    deltas = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    ending = {"index": 0, "delta": {}, "finish_reason": "stop"}
    lines = [{**head, "choices": [each]} for each in [*deltas, ending]]
    usage = {"prompt_tokens": PROMPT, "completion_tokens": COMPLETION}
    lines.append({**head, "choices": [], "usage": usage})
    return chunked(*(b"data: %b\n\n" % orjson.dumps(line) for line in lines), b"data: [DONE]\n\n")


@contextmanager
def world(folder: Path, *said: bytes) -> Iterator[tuple[OpenAI, Scripted]]:
    """A gateway before a model that says this."""
    with background() as loop:
        server = scripted(*said)
        model = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        text = CONFIG.format(data=folder / "data", url=model.url, more=MORE)
        with serving(parse(text)) as served:
            yield OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0), model
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)


def asked(client: OpenAI, strategy: str | None, **fields: Any) -> Any:
    return client.chat.completions.create(
        model="helper/small",
        messages=QUESTION,
        extra_body={"moorline": {"strategy": strategy, "grounding": "off"}},
        **fields,
    )


def about(said: Any) -> dict[str, Any]:
    told: dict[str, Any] = said.model_extra["moorline"]
    return told


def test_what_most_say_is_told_and_all_of_it_is_paid_for(tmp_path: Path) -> None:
    with world(tmp_path, completion("41"), completion("42"), completion("42.")) as (client, model):
        said = asked(client, "self_consistency")
    assert said.choices[0].message.content in ("42", "42.")
    told = about(said)["strategy"]
    assert told["agreement"] == pytest.approx(2 / 3, abs=1e-3)
    assert (told["name"], told["calls"]) == ("self_consistency", 3)
    assert about(said)["cost_usd"] == pytest.approx(3 * COST)
    assert said.usage.total_tokens == PROMPT + COMPLETION  # the answer's own
    assert len(model.requests) == 3


def test_thoughts_are_in_no_chunk_of_the_stream(tmp_path: Path) -> None:
    with world(tmp_path, completion(SECRET), streamed("Thirty", " days.")) as (client, model):
        chunks = list(asked(client, "chain_of_thought", stream=True))
    assert "SECRET" not in "".join(chunk.model_dump_json() for chunk in chunks)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(filter(None, texts)) == "Thirty days."
    assert len(list(filter(None, texts))) == 2  # it is told as it comes
    assert about(chunks[-1])["strategy"] == {"name": "chain_of_thought", "calls": 2}
    assert about(chunks[-1])["cost_usd"] == pytest.approx(2 * COST)
    assert SECRET.encode() in model.requests[1]


def test_thoughts_are_in_no_answer(tmp_path: Path) -> None:
    with world(tmp_path, completion(SECRET), completion("Thirty days.")) as (client, _):
        said = asked(client, "chain_of_thought")
    assert "SECRET" not in said.model_dump_json()
    assert said.choices[0].message.content == "Thirty days."


def test_an_answer_is_given_again_to_whoever_wants_it_made_the_same_way(tmp_path: Path) -> None:
    with world(tmp_path, completion("42")) as (client, model):
        first = asked(client, "best_of_n", temperature=0)
        again = asked(client, "best_of_n", temperature=0)
        plain = asked(client, None, temperature=0)
    assert [about(each)["cache"] for each in (first, again, plain)] == ["miss", "exact", "miss"]
    assert about(again)["strategy"] == about(first)["strategy"]
    assert about(plain)["strategy"] is None
    assert (about(again)["cost_usd"], len(model.requests)) == (0, 4)


def test_a_name_that_is_none_is_the_callers_fault(tmp_path: Path) -> None:
    with (
        world(tmp_path, completion("42")) as (client, _),
        pytest.raises(openai.BadRequestError) as raised,
    ):
        asked(client, "guess")
    assert raised.value.param == "moorline.strategy"


def test_all_calls_failing_is_the_error(tmp_path: Path) -> None:
    broken = answer(b'{"error": {"message": "broken"}}', 500)
    with world(tmp_path, broken) as (client, _), pytest.raises(openai.InternalServerError):
        asked(client, "self_consistency")
