"""Every step of the ladder below the last model, seen by the official client and by the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from eval.bench.upstream import Behaviour, Upstream
from gateway.config import parse
from gateway.ledger.types import Request
from tests.e2e.conftest import HANDBOOK, background, ingest, upstream, written
from tests.servers import redis_server
from tests.serving import Served, serving

CONFIG = """
data = "{data}"
[providers.cloud]
kind = "openai-compatible"
base_url = "{upstream}"
models = [{{ name = "wordy", input_usd_per_million = 1000, output_usd_per_million = 2000 }}]
[providers.sim]
kind = "simulated"
words = 5
[models.sturdy]
use = ["cloud/wordy", "sim/simulated"]
[dispatch]
retries = 0
retries_before_fallback = 0
first_wait = 0.0
[dispatch.breaker]
failures = 1000
minimum_calls = 1000
[cache]
ttl_seconds = {ttl}
[cache.store]
{store}
[cache.semantic]
enabled = true
max_error_rate = 0.001
[degrade]
stale_for = 1000
looser_threshold = 0.8
canned = [
    {{ topic = "opening hours", keywords = ["opening hours"], answer = "We open at nine." }},
    {{ topic = "refunds", examples = ["Where is my refund?"], answer = "Refunds take a week." }},
]
[degrade.hand_over]
contact = "desk@example.org"
text = "Ask the desk and name {{trace_id}}."
"""
TTL = 0.2  # seconds; all that was answered before the model died is stale
KNOWN = "How is a winch packed for the sea?"
ALIKE = "How do I pack a winch for the sea?"
GROUNDED = "Within how many days may customers in the EU return goods?"
OPENING = "What are your opening hours on Sunday?"
NOBODY_KNOWS = "Why is the sky blue?"


@dataclass(frozen=True, slots=True)
class World:
    """A gateway whose only model has died, with what it answered to one team before."""

    served: Served
    mine: str  # keys of two teams
    theirs: str
    said: str  # what the model answered to KNOWN, asked with `mine`

    def client(self, key: str = "") -> OpenAI:
        url = f"{self.served.url}/v1"
        return OpenAI(base_url=url, api_key=key or self.mine, max_retries=0, timeout=30)

    def row(self, trace_id: str) -> Request:
        books = self.served.app.state.gateway.accounting
        books.ledger.flush()
        recorded = books.queries.trace(trace_id)
        assert recorded is not None
        request: Request = recorded.request
        return request

    def spans(self, trace_id: str) -> dict[str, dict[str, Any]]:
        recorded = self.served.app.state.gateway.accounting.queries.trace(trace_id)
        return {span.name: span.attributes for span in recorded.spans}


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as a client sees it, streamed or not."""

    text: str
    about: dict[str, Any]
    headers: dict[str, str]


@contextmanager
def store(kind: str) -> Iterator[str]:
    if kind == "memory":
        yield 'kind = "memory"'
        return
    with redis_server() as url:
        yield f'kind = "redis"\nurl = "{url}"\nprefix = "degrade:{time.time_ns()}:"\ntimeout = 5'


@pytest.fixture(scope="module", params=["memory", "redis"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    data, documents = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("documents")
    with (
        background() as loop,
        upstream(Behaviour(chunks=7), loop) as cloud,
        store(request.param) as kept,
    ):
        config = parse(CONFIG.format(data=data, upstream=cloud.url, store=kept, ttl=TTL))
        with serving(config, control_token="for-tests") as served:
            ingest(served, written(documents, HANDBOOK), "default")
            yield bereft(served, cloud)


def bereft(served: Served, cloud: Upstream) -> World:
    """The world after its model has answered one question and died."""
    accounts = served.app.state.gateway.accounts
    mine, theirs = (accounts.store.create(team, team=team).secret for team in ("ours", "theirs"))
    accounts.refresh()
    alive = World(served, mine, theirs, "")
    for key in (mine, theirs):
        cloud.behaviour = Behaviour(chunks=7 if key == mine else 3)
        said = hear(alive, KNOWN, key=key)
        assert said.about["degraded"] is None
        assert "x-moorline-degraded" not in said.headers
        if key == mine:
            text = said.text
    cloud.behaviour = Behaviour(fault="status", status=503)
    time.sleep(2 * TTL)
    return World(served, mine, theirs, text)


def hear(
    world: World,
    question: str,
    *,
    stream: bool = False,
    key: str = "",
    model: str = "cloud/wordy",
    grounding: str = "off",
    cache: bool = True,
) -> Heard:
    """Ask, and read the answer as the official client does."""
    create = world.client(key).chat.completions.with_raw_response.create
    usual: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "extra_body": {"moorline": {"grounding": grounding, "cache": cache}},
    }
    if not stream:
        raw = create(**usual)
        answer = raw.parse()
        about = (answer.model_extra or {})["moorline"]
        return Heard(answer.choices[0].message.content or "", about, dict(raw.headers))
    raw = create(**usual, stream=True)
    chunks = list(raw.parse())
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    return Heard(text, (chunks[-1].model_extra or {})["moorline"], dict(raw.headers))


def assert_marked(world: World, heard: Heard, step: str) -> Request:
    """In the body, in the header and in the ledger, and charged to nobody."""
    assert heard.about["degraded"] == step
    assert heard.headers["x-moorline-degraded"] == step
    row = world.row(heard.about["trace_id"])
    assert (row.degraded, row.status, row.door, row.attempts) == (step, 200, "chat", 1)
    assert (heard.about["cost_usd"], row.cost_usd) == (0, 0)
    return row


STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@STREAMED
def test_an_answer_whose_time_is_over_stands_in(world: World, stream: bool) -> None:
    heard = hear(world, KNOWN, stream=stream)
    assert heard.text == world.said
    assert assert_marked(world, heard, "cached").model == "cloud/wordy"


@STREAMED
def test_an_answer_to_a_less_similar_question_stands_in(world: World, stream: bool) -> None:
    heard = hear(world, ALIKE, stream=stream)
    assert heard.text == world.said
    assert_marked(world, heard, "cached")


@STREAMED
def test_what_the_documents_say_stands_in(world: World, stream: bool) -> None:
    heard = hear(world, GROUNDED, stream=stream, grounding="strict")
    assert "within 30 days of delivery. [1]" in heard.text
    assert heard.about["sources"][0]["cited"]
    assert assert_marked(world, heard, "extract").model == "extractive/extractive"


@STREAMED
def test_an_answer_of_the_operators_own_stands_in(world: World, stream: bool) -> None:
    heard = hear(world, OPENING, stream=stream)
    assert heard.text == "We open at nine."
    row = assert_marked(world, heard, "canned")
    tried = world.spans(row.trace_id)["degrade"]["tried"]
    assert [each["step"] for each in tried] == ["models", "cached", "extract"]


def test_a_topic_is_known_by_its_examples_too(world: World) -> None:
    heard = hear(world, "When will I get my refund?")
    assert heard.text == "Refunds take a week."


@STREAMED
def test_at_last_it_says_whom_to_turn_to(world: World, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        hear(world, NOBODY_KNOWS, stream=stream)
    error = caught.value
    body = json.loads(error.response.content)
    about = body["moorline"]
    assert (error.status_code, error.code) == (503, "no_model_available")
    text = f"Ask the desk and name {about['trace_id']}. Contact: desk@example.org"
    assert body["error"]["message"] == text
    assert error.response.headers["retry-after"] == "30"
    assert error.response.headers["x-moorline-degraded"] == about["degraded"] == "hand-over"
    tried = [each["step"] for each in about["tried"]]
    assert tried == ["models", "cached", "extract", "canned"]
    row = world.row(about["trace_id"])
    assert (row.status, row.degraded, row.attempts, row.cost_usd) == (503, "hand-over", 1, 0)


@STREAMED
def test_a_fallback_is_marked_and_charged(world: World, stream: bool) -> None:
    heard = hear(world, f"{NOBODY_KNOWS} {stream}", stream=stream, model="sturdy")
    assert heard.about["degraded"] == heard.headers["x-moorline-degraded"] == "fallback"
    row = world.row(heard.about["trace_id"])
    assert (row.degraded, row.model, row.attempts) == ("fallback", "sim/simulated", 2)
    assert row.completion_tokens > 0


def test_an_answer_that_stood_in_is_not_kept(world: World) -> None:
    states = [hear(world, OPENING).about["cache"] for _ in range(2)]
    assert states == ["miss", "miss"]


def test_a_request_that_forbids_the_cache_is_given_no_earlier_answer(world: World) -> None:
    with pytest.raises(openai.InternalServerError):
        hear(world, KNOWN, cache=False)


def test_no_step_gives_what_another_team_was_answered(world: World) -> None:
    heard = hear(world, KNOWN, key=world.theirs)
    assert len(heard.text) < len(world.said)
    with pytest.raises(openai.InternalServerError):
        hear(world, "How is a windlass stowed?", key=world.theirs)


def test_the_callers_own_faults_are_not_stepped_down_from(world: World) -> None:
    for status, fields in ((404, {"model": "gpt-9"}), (400, {"temperature": 9})):
        body = {"messages": [{"role": "user", "content": OPENING}], "model": "cloud/wordy"} | fields
        headers = {"Authorization": f"Bearer {world.mine}"}
        url = f"{world.served.url}/v1/chat/completions"
        response = httpx.post(url, json=body, headers=headers, timeout=30)
        assert response.status_code == status
        assert "x-moorline-degraded" not in response.headers


DOORS = {
    "completions": {"prompt": "{}"},
    "responses": {"input": "{}"},
    "messages": {"messages": [{"role": "user", "content": "{}"}], "max_tokens": 50},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("question", "step"), [(OPENING, "canned"), (NOBODY_KNOWS, "hand-over")])
def test_every_door_has_the_ladder(world: World, door: str, question: str, step: str) -> None:
    asked = json.loads(json.dumps(DOORS[door]).replace("{}", question))
    body = {"model": "cloud/wordy", "moorline": {"grounding": "off"}, **asked}
    headers = {"Authorization": f"Bearer {world.mine}"}
    response = httpx.post(f"{world.served.url}/v1/{door}", json=body, headers=headers, timeout=30)
    assert response.status_code == (200 if step == "canned" else 503)
    about = response.json()["moorline"]
    assert about["degraded"] == response.headers["x-moorline-degraded"] == step
    assert ("We open at nine." in response.text) == (step == "canned")
    row = world.row(about["trace_id"])
    assert (row.degraded, row.door, row.cost_usd) == (step, door, 0)
