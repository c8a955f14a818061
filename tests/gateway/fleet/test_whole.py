"""The whole gateway before two engines: registered adapters, asked for by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from eval.bench.engine.server import Engine
from gateway.adapters.store import Draft
from gateway.adapters.types import Facts
from gateway.app import create_app
from gateway.config import parse
from gateway.pipeline import Gateway
from tests.gateway.fleet.world import write

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.gpu]
kind = "vllm"
base_url = ["{urls[0]}", "{urls[1]}"]
api_key = "internal"
models = [{{ name = "base" }}]
lora = {{ slots = 2, cpu_slots = 4 }}
"""


@dataclass(slots=True)
class Asked:
    """The gateway, its engines, and what is registered."""

    gateway: Gateway
    engines: list[Engine]
    http: httpx.AsyncClient
    shelf: Path

    def add(self, name: str, tenant: str = "", **config: Any) -> None:
        """One more revision, live at once."""
        digest = f"{len(list(self.shelf.glob('*'))):064x}"
        write(self.shelf / digest, **config)
        facts = Facts("base", 8, 16.0, ("q_proj",), "F32", 4096, digest)
        draft = Draft(tenant, name, "gpu", "here", facts)
        self.gateway.adapters.store.add(draft, live=True)
        self.gateway.adapters.refresh()

    async def chat(self, model: str, key: str = "") -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        body = {"model": model, "messages": [{"role": "user", "content": "Hello."}]}
        return await self.http.post("/v1/chat/completions", json=body, headers=headers)

    async def text(self, model: str) -> str:
        answer = await self.chat(model)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["choices"][0]["message"]["content"])


@asynccontextmanager
async def asked(data: Path) -> AsyncIterator[Asked]:
    async with Engine(key="internal") as one, Engine(key="internal") as other:
        app = create_app(parse(CONFIG.format(data=data, urls=[one.url, other.url])))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            base = "http://127.0.0.1"
            async with httpx.AsyncClient(transport=transport, base_url=base) as http:
                yield Asked(app.state.gateway, [one, other], http, data / "adapters")


async def test_each_adapter_answers_as_itself_and_says_which_revision(tmp_path: Path) -> None:
    async with asked(tmp_path) as here:
        here.add("support")
        here.add("sales")
        answers = {model: await here.text(model) for model in ("gpu/base", "support", "sales")}
        assert len(set(answers.values())) == 3
        answer = await here.chat("support")
        assert answer.headers["x-moorline-model"] == "gpu/support@1"


async def test_a_new_revision_answers_from_the_moment_that_it_is_live(tmp_path: Path) -> None:
    async with asked(tmp_path) as here:
        here.add("support")
        before = await here.text("support")
        here.add("support")
        after = await here.text("support")
        assert before != after
        assert await here.text("support@1") == before
        here.gateway.adapters.store.back("", "support")
        here.gateway.adapters.refresh()
        assert await here.text("support") == before


async def test_an_adapter_that_engines_refuse_is_a_clear_error(tmp_path: Path) -> None:
    async with asked(tmp_path) as here:
        here.add("large", r=64)
        answer = await here.chat("large")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (424, "adapter_incompatible")
        assert "max_lora_rank" in error["message"]
        assert str(tmp_path) not in answer.text


async def test_a_clients_key_stays_here_and_a_foreign_adapter_is_unknown(tmp_path: Path) -> None:
    async with asked(tmp_path) as here:
        here.add("secret", tenant="acme")
        accounts = here.gateway.accounts
        keys = {team: accounts.store.create(team, team=team).secret for team in ("acme", "other")}
        accounts.refresh()
        # The engines know one key alone: a client's would be refused.
        assert (await here.chat("secret", keys["acme"])).status_code == 200
        assert (await here.chat("secret", keys["other"])).status_code == 404


async def test_an_operator_sees_where_adapters_are(tmp_path: Path) -> None:
    async with asked(tmp_path) as here:
        here.add("support")
        await here.text("support")
        (fleet,) = (await here.http.get("/admin/fleet")).json()["data"]
        tiers = [each["adapters"].get("support@1", {}).get("tier") for each in fleet["replicas"]]
        assert sorted(map(str, tiers)) == ["None", "gpu"]
        text = (await here.http.get("/metrics")).text
        assert 'moorline_adapter_requests_total{provider="gpu",adapter="support@1"' in text
