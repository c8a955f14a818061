"""Routing through the HTTP door: what is chosen, what gives way to what, and what it costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.config import parse
from gateway.ledger.types import Recorded
from gateway.pipeline import Gateway
from retrieval.types import Query

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.cheap]
kind = "simulated"
words = {words}
models = [{{ name = "m", input_usd_per_million = 1000, output_usd_per_million = 1000 }}]
[providers.strong]
kind = "simulated"
words = 3
region = "EU"
models = [{{ name = "m", input_usd_per_million = 9000, output_usd_per_million = 9000 }}]
[routing]
cheap = ["cheap/m"]
strong = ["strong/m"]
strong_share = 0
[routing.cascade]
enabled = {cascade}
min_words = 4
"""
ASKED = "How long may I keep it"  # six words


@asynccontextmanager
async def gateway(
    data: Path, words: int = 8, cascade: bool = False, more: str = ""
) -> AsyncIterator[World]:
    text = CONFIG.format(data=data, words=words, cascade=str(cascade).lower())
    app = create_app(parse(text + more))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield World(app, client)


class World:
    """A gateway, and a client of it."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.client = client
        self.gateway: Gateway = app.state.gateway

    async def asked(self, model: str = "auto", **fields: Any) -> httpx.Response:
        messages = [{"role": "user", "content": ASKED}]
        body = {"model": model, "messages": messages, **fields}
        return await self.client.post("/v1/chat/completions", json=body)

    async def recorded(self, response: httpx.Response) -> Recorded:
        books = self.gateway.accounting
        await asyncio.to_thread(books.ledger.flush)
        trace = response.headers["x-moorline-trace-id"]
        found = await asyncio.to_thread(books.queries.trace, trace)
        assert found
        return found


def span(recorded: Recorded, name: str) -> dict[str, Any]:
    (found,) = (each for each in recorded.spans if each.name == name)
    return found.attributes


async def test_the_names_that_choose_are_listed_and_answer(tmp_path: Path) -> None:
    async with gateway(tmp_path) as world:
        listed = (await world.client.get("/v1/models")).json()["data"]
        assert {"auto:cheap", "auto:best", "auto:fast"} <= {each["id"] for each in listed}
        about = (await world.asked("auto:cheap")).json()["moorline"]
        assert (about["model"], about["route"]) == ("cheap/m", "auto:cheap")


async def test_the_probability_comes_of_the_one_embedding(tmp_path: Path) -> None:
    async with gateway(tmp_path) as world:
        encoded: list[str] = []
        encode = world.gateway.encoder.query

        async def counted(text: str) -> Query:
            encoded.append(text)
            return await encode(text)

        world.gateway.encoder.query = counted  # type: ignore[method-assign]
        response = await world.asked()
        assert encoded == [ASKED]
        route = span(await world.recorded(response), "route")
        assert (route["reason"], 0 < route["p_cheap"] < 1) == ("cheap", True)
        await world.asked("strong/m")  # was named
        assert encoded == [ASKED]


async def test_where_it_has_to_be_answered_is_held_to(tmp_path: Path) -> None:
    async with gateway(tmp_path) as world:
        within = {"region": "EU"}
        assert (await world.asked(moorline=within)).json()["moorline"]["model"] == "strong/m"
        refused = await world.asked("cheap/m", moorline=within)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert error["param"] == "moorline.region"
        assert "cheap/m its region is not known, not in eu" in error["message"]


EMBEDDING = """
[providers.far]
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
region = "US"
embeddings = [{ name = "e" }]
"""


async def test_texts_are_embedded_nowhere_else_either(tmp_path: Path) -> None:
    more = EMBEDDING + '[routing.regions]\ndefault = "EU"\n'
    async with gateway(tmp_path, more=more) as world:
        body = {"model": "far/e", "input": "secret"}
        refused = await world.client.post("/v1/embeddings", json=body)
        assert refused.status_code == 403
        assert refused.json()["error"]["message"] == "'far/e' does not run in eu."
        own = await world.client.post("/v1/embeddings", json={**body, "model": "default"})
        assert own.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_short_cheap_answer_gives_way_and_both_are_paid_for(
    tmp_path: Path, stream: bool
) -> None:
    async with gateway(tmp_path, words=2, cascade=True) as world:
        response = await world.asked(stream=stream)
        recorded = await world.recorded(response)
        request = recorded.request
        assert (request.model, request.route) == ("strong/m", "cascade:cheap")
        assert request.cost_usd == pytest.approx((6 + 2) * 0.001 + (6 + 3) * 0.009)
        assert (request.prompt_tokens, request.completion_tokens) == (12, 5)
        assert request.attempts == 2
        tried = span(recorded, "dispatch")["cascade"]
        assert tried == [{"model": "cheap/m", "doubt": "it is shorter than 4 words"}]
        about = told(response)["moorline"] if stream else response.json()["moorline"]
        assert about["cost_usd"] == pytest.approx(request.cost_usd)


async def test_a_cheap_answer_that_will_do_is_told(tmp_path: Path) -> None:
    async with gateway(tmp_path, words=5, cascade=True) as world:
        response = await world.asked(stream=True)
        request = (await world.recorded(response)).request
        assert (request.model, request.attempts) == ("cheap/m", 1)
        assert request.cost_usd == pytest.approx((6 + 5) * 0.001)


EXPERIMENT = """
[experiments.size.variants]
small = { share = 0.5, model = "cheap/m" }
large = { share = 0.5, model = "strong/m" }
"""


async def test_a_variant_is_in_the_ledger_the_trace_and_the_caches_key(tmp_path: Path) -> None:
    async with gateway(tmp_path, more=EXPERIMENT) as world:
        seen: dict[str, set[str]] = {}
        for number in range(12):
            for _ in range(2):
                response = await world.asked(user=f"user {number}", temperature=0)
                recorded = await world.recorded(response)
                request, drawn = recorded.request, span(recorded, "experiment")
                assert request.experiment == f"size/{drawn['variant']}"
                assert request.unit
                assert request.model == {"small": "cheap/m", "large": "strong/m"}[drawn["variant"]]
                assert request.model_asked == "auto"
                seen.setdefault(drawn["variant"], set()).add(f"{number} {request.cache}")
        for of_variant in seen.values():  # one entry each, which its other callers share
            assert sum("miss" in each for each in of_variant) == 1
        assert seen.keys() == {"small", "large"}


def told(response: httpx.Response) -> Any:
    """The last chunk of a stream."""
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return json.loads(lines[-1].removeprefix("data: "))
