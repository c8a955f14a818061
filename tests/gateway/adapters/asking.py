"""A gateway over an engine that says which model it was asked for, and callers of several teams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web
from fastapi import FastAPI
from openai import AsyncOpenAI

from gateway.adapters.store import AdapterStore, Draft
from gateway.adapters.types import Adapter, Facts
from gateway.app import create_app
from gateway.config import parse
from gateway.pipeline import Gateway

CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.vllm]
kind = "vllm"
base_url = "http://127.0.0.1:{port}/v1"
region = "EU"
models = [{{ name = "tiny", input_usd_per_million = 1, output_usd_per_million = 2 }}]
lora = {{ slots = 4 }}
[providers.other]
kind = "simulated"
{more}
"""
QUESTION: list[Any] = [{"role": "user", "content": "Where is my parcel?"}]


@dataclass(slots=True)
class Engine:
    """Answers with the name of the model that it was asked for."""

    asked: list[str] = field(default_factory=list)
    refused: str = ""  # a model that takes no request

    async def chat(self, request: web.Request) -> web.Response:
        model = (await request.json())["model"]
        self.asked.append(model)
        if model == self.refused:
            raise web.HTTPBadRequest
        message = {"role": "assistant", "content": f"{model}, {len(self.asked)}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
        return web.json_response({**head, "choices": [choice], "usage": usage})

    async def anything(self, request: web.Request) -> web.Response:
        return web.json_response({"data": []})


@dataclass(slots=True)
class Asked:
    """The gateway, its engine, and what is registered."""

    app: FastAPI
    engine: Engine
    store: AdapterStore

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self.app.state.gateway
        return gateway

    def add(self, name: str, tenant: str = "", *, live: bool = False, **fields: Any) -> Adapter:
        """One more revision."""
        number = f"{len(self.gateway.adapters.all()):064x}"
        facts = Facts("tiny", 8, 16.0, ("q_proj",), "F32", 4096, number)
        draft = Draft(tenant, name, "vllm", f"hub:some/{name}", facts, **fields)
        made = self.store.add(draft, live=live)
        self.gateway.adapters.refresh()
        return made

    def key(self, team: str, **fields: Any) -> str:
        """One of a team's."""
        made = self.gateway.accounts.store.create(team, team=team, **fields)
        self.gateway.accounts.refresh()
        return made.secret

    def http(self, key: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)

    def client(self, key: str = "none") -> AsyncOpenAI:
        return AsyncOpenAI(
            api_key=key, base_url="http://127.0.0.1/v1", http_client=self.http(), max_retries=0
        )

    async def answer(self, model: str = "auto", key: str = "none", **fields: Any) -> str:
        """Who answered, and the how manieth answer of the engine it was."""
        made = await self.client(key).chat.completions.create(
            model=model, messages=QUESTION, **fields
        )
        return made.choices[0].message.content or ""


@asynccontextmanager
async def asked(data: Path, more: str = "") -> AsyncIterator[Asked]:
    """For as long as the `async with` lasts."""
    engine, upstream = Engine(), web.Application()
    upstream.router.add_post("/v1/chat/completions", engine.chat)
    upstream.router.add_route("*", "/{path:.*}", engine.anything)
    runner = web.AppRunner(upstream)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    app = create_app(parse(CONFIG.format(data=data, port=port, more=more)))
    try:
        async with app.router.lifespan_context(app):
            yield Asked(app, engine, app.state.gateway.adapters.store)
    finally:
        await runner.cleanup()
