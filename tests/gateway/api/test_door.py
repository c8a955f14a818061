"""The door under load: who is answered, waits or is refused, and what a leaving client ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.config import parse
from gateway.pipeline import Gateway
from tests.gateway.providers.scripted import Scripted, answer, scripted, until

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[server]
max_in_flight = 1
max_waiting = 1
max_messages = 2
max_depth = 8
{server}
[providers.up]
kind = "openai-compatible"
base_url = "{url}"
models = [{{ name = "m" }}]
[dispatch]
retries = 2
first_wait = 30
"""
ASK: dict[str, Any] = {
    "model": "up/m",
    "messages": [{"role": "user", "content": "Hello"}],
    "moorline": {"grounding": "off", "cache": False},
}


class Visitor:
    """A client in ASGI's own words, which may leave at any time."""

    def __init__(
        self,
        app: FastAPI,
        body: Any,
        path: str = "/v1/chat/completions",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.said: list[Any] = []
        self._leaves = asyncio.Event()
        self._bodies = [orjson.dumps(body)]
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"host", b"localhost"), *headers],
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    def leave(self) -> None:
        self._leaves.set()

    async def answer(self) -> tuple[int, dict[bytes, bytes], Any]:
        await self.task
        body = b"".join(each.get("body", b"") for each in self.said[1:])
        return self.said[0]["status"], dict(self.said[0]["headers"]), orjson.loads(body)

    async def _receive(self) -> Any:
        if self._bodies:
            return {"type": "http.request", "body": self._bodies.pop(), "more_body": False}
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.said.append(message)


@asynccontextmanager
async def gateway_over(
    upstream: Scripted, data: Path, more: str = "", server: str = ""
) -> AsyncIterator[FastAPI]:
    app = create_app(parse(CONFIG.format(data=data, url=upstream.url, server=server) + more))
    async with app.router.lifespan_context(app):
        yield app


def admission(app: FastAPI) -> Any:
    gateway: Gateway = app.state.gateway
    return gateway.admission


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_closes_the_upstream(tmp_path: Path, stream: bool) -> None:
    async with scripted(b"", then="hold") as server, gateway_over(server, tmp_path) as app:
        visitor = Visitor(app, ASK | {"stream": stream})
        await until(lambda: server.requests)
        visitor.leave()
        await asyncio.wait_for(server.hung_up.wait(), 1)
        await visitor.task
        assert (visitor.said, admission(app).in_flight) == ([], 0)


async def test_a_request_that_takes_too_long_is_in_the_ledger_as_such(tmp_path: Path) -> None:
    async with (
        scripted(b"", then="hold") as server,
        gateway_over(server, tmp_path, server="request_timeout = 0.05") as app,
    ):
        status, _, body = await Visitor(app, ASK).answer()
        assert (status, body["error"]["code"]) == (504, "provider_timeout")
        books = app.state.gateway.accounting
        await asyncio.to_thread(books.ledger.flush)
        (row,) = (await asyncio.to_thread(books.queries.traces, 5)).requests
        assert (row.status, row.error_code) == (504, "provider_timeout")


async def test_who_finds_everything_full_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with scripted(b"", then="hold") as server, gateway_over(server, tmp_path) as app:
        first = Visitor(app, ASK)
        await until(lambda: server.requests)
        second = Visitor(app, ASK)
        await until(lambda: admission(app).waiting)
        status, headers, body = await Visitor(app, ASK).answer()
        assert (status, body["error"]["code"]) == (429, "overloaded")
        assert int(headers[b"retry-after"]) >= 1
        assert len(server.requests) == 1

        second.leave()  # while waiting for its turn
        await second.task
        assert admission(app).waiting == 0
        first.leave()
        await first.task
        assert (len(server.requests), admission(app).in_flight) == (1, 0)


async def test_a_client_that_leaves_while_a_call_is_to_be_tried_again_ends_it(
    tmp_path: Path,
) -> None:
    refusal = b"HTTP/1.1 503 -\r\ncontent-length: 0\r\n\r\n"
    async with scripted(refusal) as server, gateway_over(server, tmp_path) as app:
        visitor = Visitor(app, ASK)
        await until(lambda: server.requests)
        await asyncio.sleep(0.02)  # now it waits for half a minute
        visitor.leave()
        await asyncio.wait_for(visitor.task, 1)
        assert (visitor.said, len(server.requests)) == ([], 1)


async def test_what_was_answered_makes_room_for_who_waits(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "Hi"}
    said = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    async with (
        scripted(answer(orjson.dumps(said))) as server,
        gateway_over(server, tmp_path) as app,
    ):
        visitors = [Visitor(app, ASK) for _ in range(2)]
        assert [(await visitor.answer())[0] for visitor in visitors] == [200, 200]
        assert (server.connections, admission(app).in_flight) == (1, 0)


@pytest.mark.parametrize(
    ("body", "param", "setting"),
    [
        (ASK | {"messages": ASK["messages"] * 3}, "messages", "max_messages"),
        (ASK | {"tools": [[[[[[[[[[1]]]]]]]]]]}, None, "max_depth"),
    ],
)
async def test_what_is_too_many_or_too_deep_is_told(
    tmp_path: Path, body: Any, param: str | None, setting: str
) -> None:
    async with scripted(b"") as server, gateway_over(server, tmp_path) as app:
        status, _, said = await Visitor(app, body).answer()
    assert (status, said["error"]["param"]) == (400, param)
    assert f"server.{setting}" in said["error"]["message"]
    assert server.requests == []


async def test_many_lists_that_are_not_deep_are_taken(tmp_path: Path) -> None:
    body = ASK | {"stop": [[]] * 50}
    async with scripted(None) as server, gateway_over(server, tmp_path) as app:
        visitor = Visitor(app, body)
        await until(lambda: server.requests)
        visitor.leave()
        await visitor.task


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_with_limits_is_told_what_is_left(tmp_path: Path, stream: bool) -> None:
    said = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    limits = "[limits]\nrequests_per_minute = 3\n"
    async with (
        scripted(answer(orjson.dumps(said))) as server,
        gateway_over(server, tmp_path, limits) as app,
    ):
        visitor = Visitor(app, ASK | {"stream": stream})
        await visitor.task
    headers = dict(visitor.said[0]["headers"])
    assert headers[b"x-ratelimit-limit-requests"] == b"3"
    assert headers[b"x-ratelimit-remaining-requests"] == b"2"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"model": "sim/m", "input": "Hello"}),
        ("/v1/completions", {"model": "sim/m", "prompt": ["Hello", "World"]}),
        ("/v1/messages", ASK | {"model": "sim/m", "max_tokens": 9}),
        ("/v1/embeddings", {"model": "auto", "input": "Hello"}),
    ],
)
async def test_every_door_tells_what_is_left(tmp_path: Path, path: str, body: Any) -> None:
    more = """
[limits]
requests_per_minute = 9
[providers.sim]
kind = "simulated"
models = [{ name = "m" }]
"""
    async with scripted(None) as server, gateway_over(server, tmp_path, more) as app:
        visitor = Visitor(app, body, path)
        status, headers, _ = await visitor.answer()
    assert (status, headers[b"x-ratelimit-limit-requests"]) == (200, b"9")


async def test_who_has_used_up_a_rate_is_told_which_one(tmp_path: Path) -> None:
    more = """
[limits]
requests_per_minute = 1
[providers.sim]
kind = "simulated"
models = [{ name = "m" }]
"""
    async with scripted(None) as server, gateway_over(server, tmp_path, more) as app:
        asked = ASK | {"model": "sim/m"}
        assert (await Visitor(app, asked).answer())[0] == 200
        status, headers, _ = await Visitor(app, asked).answer()
    assert (status, headers[b"x-ratelimit-limit-requests"]) == (429, b"1")
    assert headers[b"x-ratelimit-remaining-requests"] == b"0"
    assert float(headers[b"x-ratelimit-reset-requests"].removesuffix(b"s")) > 0


BUSY = """
[providers.spare]
kind = "simulated"
answer = "echo"
[models.either]
use = ["up/m", "spare/simulated"]
"""


@asynccontextmanager
async def with_one_connection(server: Scripted, data: Path, waiting: int) -> AsyncIterator[FastAPI]:
    text = CONFIG.format(data=data, url=server.url, server="").replace(
        "max_in_flight = 1", "max_in_flight = 9"
    )
    kind = 'kind = "openai-compatible"'
    bounds = f"{kind}\nmax_connections = 1\nmax_waiting = {waiting}"
    app = create_app(parse(text.replace(kind, bounds) + BUSY))
    async with app.router.lifespan_context(app):
        yield app


def connections(app: FastAPI) -> Any:
    [(_, pool)] = app.state.gateway.metrics.clients["up"].pools()
    return pool


async def test_a_client_that_leaves_while_waiting_for_a_connection_waits_no_more(
    tmp_path: Path,
) -> None:
    async with (
        scripted(b"", then="hold") as server,
        with_one_connection(server, tmp_path, waiting=1) as app,
    ):
        first = Visitor(app, ASK)
        await until(lambda: server.requests)
        second = Visitor(app, ASK)
        await until(lambda: connections(app).waiting)
        second.leave()
        await asyncio.wait_for(second.task, 1)
        assert connections(app).waiting == 0
        first.leave()
        await first.task
        assert (connections(app).places, len(server.requests)) == (0, 1)


async def test_where_no_connection_is_free_the_next_model_answers(tmp_path: Path) -> None:
    async with (
        scripted(b"", then="hold") as server,
        with_one_connection(server, tmp_path, waiting=0) as app,
    ):
        first = Visitor(app, ASK)
        await until(lambda: server.requests)
        status, headers, _ = await Visitor(app, ASK | {"model": "either"}).answer()
        assert (status, headers[b"x-moorline-model"]) == (200, b"spare/simulated")
        first.leave()
        await first.task


AT_THE_DOORS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello"}]},
    "/v1/completions": {"prompt": "Hello"},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9},
    "/v1/responses": {"input": "Hello", "store": False},
}


@pytest.mark.parametrize("path", AT_THE_DOORS)
async def test_headers_say_at_every_door_whether_an_answer_may_be_given_again(
    tmp_path: Path, path: str
) -> None:
    usual: dict[str, Any] = {
        "model": "sim/simulated",
        "temperature": 0,
        "moorline": {"grounding": "off"},
    }
    said = ("", "", "refresh", "off", "only", "bypass")
    more = '[providers.sim]\nkind = "simulated"\nwords = 4\n'
    async with scripted(b"") as server, gateway_over(server, tmp_path, more) as app:
        answers = [
            await Visitor(
                app,
                usual | AT_THE_DOORS[path],
                path,
                [(b"x-moorline-cache", word.encode())] if word else [],
            ).answer()
            for word in said
        ]
    assert [status for status, _, _ in answers] == [200] * 5 + [400]
    states = [headers.get(b"x-moorline-cache") for _, headers, _ in answers]
    assert states == [b"miss", b"exact", b"miss", b"off", b"exact", None]
    assert [headers.get(b"age") for _, headers, _ in answers[:2]] == [None, b"0"]


async def test_an_earlier_answer_alone_is_wanted_and_there_is_none(tmp_path: Path) -> None:
    only = [(b"cache-control", b"only-if-cached")]
    async with scripted(b"") as server, gateway_over(server, tmp_path) as app:
        status, _, body = await Visitor(app, ASK, headers=only).answer()
        assert (status, body["error"]["code"]) == (404, "not_cached")
        assert server.requests == []
