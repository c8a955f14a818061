"""Deployments as an operator sees them, through the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.config import parse

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.near]
kind = "simulated"
region = "eu-west-1"
words = 3
[providers.far]
kind = "simulated"
words = 3
[providers.slow]
kind = "simulated"
first_token_ms = 500
[models.pair]
use = ["near/simulated"]
fallbacks = ["far/simulated"]
"""
WHERE = "/admin/deployments"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(parse(CONFIG.format(data=tmp_path)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


async def answered_by(client: httpx.AsyncClient) -> str:
    body = {"model": "pair", "messages": [{"role": "user", "content": "Hello"}]}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    return answer.headers["x-moorline-model"]


async def test_every_deployment_is_listed_with_its_state(client: httpx.AsyncClient) -> None:
    await answered_by(client)
    told = (await client.get(WHERE)).json()["data"]
    assert [each["deployment"] for each in told][:2] == ["near/simulated", "far/simulated"]
    near = told[0]
    assert (near["region"], near["asked"], near["in_flight"]) == ("eu-west-1", True, 0)
    assert near["breaker"]["state"] == "closed"


async def test_a_deployment_that_is_shut_off_gets_no_requests(client: httpx.AsyncClient) -> None:
    assert await answered_by(client) == "near/simulated"
    told = await client.post(WHERE, json={"deployment": "near/simulated", "breaker": "open"})
    assert (told.json()["asked"], told.json()["why_not"]) == (False, "shut off by an admin")
    assert await answered_by(client) == "far/simulated"
    await client.post(WHERE, json={"deployment": "near/simulated", "breaker": "auto"})
    assert await answered_by(client) == "near/simulated"


async def test_what_cannot_be_ordered_is_refused(client: httpx.AsyncClient) -> None:
    unknown = await client.post(WHERE, json={"deployment": "no/where", "breaker": "open"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "deployment")
    wrong = await client.post(WHERE, json={"deployment": "near/simulated", "breaker": "ajar"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "breaker")


async def test_only_an_admin_may(tmp_path: Path) -> None:
    app = create_app(parse(CONFIG.format(data=tmp_path)))
    async with app.router.lifespan_context(app):
        accounts = app.state.gateway.accounts
        key = accounts.store.create("app").secret
        accounts.refresh()
        transport = httpx.ASGITransport(app=app)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as client:
            listed = await client.get(WHERE)
            ordered = await client.post(
                WHERE, json={"deployment": "near/simulated", "breaker": "open"}
            )
    assert (listed.status_code, ordered.status_code) == (403, 403)


async def test_a_request_may_say_how_long_it_has(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {
        "model": "slow/simulated",
        "messages": [{"role": "user", "content": "Hello"}],
    }
    for headers, more in (
        ({"x-request-timeout": "0.03"}, {}),
        ({}, {"moorline": {"timeout": 0.03}}),
        ({"x-request-timeout": "60"}, {"moorline": {"timeout": 0.03}}),  # the body is nearer
    ):
        late = await client.post("/v1/chat/completions", json={**body, **more}, headers=headers)
        assert late.status_code in (503, 504)
    body["model"] = "pair"
    in_time = await client.post(
        "/v1/chat/completions", json=body, headers={"x-request-timeout": "60"}
    )
    assert in_time.status_code == 200


@pytest.mark.parametrize("given", ["soon", "-1", "0", "nan", "inf"])
async def test_a_timeout_that_is_none_is_refused(client: httpx.AsyncClient, given: str) -> None:
    body = {"model": "pair", "messages": [{"role": "user", "content": "Hello"}]}
    refused = await client.post(
        "/v1/chat/completions", json=body, headers={"x-request-timeout": given}
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "x-request-timeout"
