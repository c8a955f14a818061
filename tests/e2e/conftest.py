"""A whole gateway on a socket, before real clients: documents, an upstream, a faulty one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from eval.bench.upstream import Behaviour, Upstream
from gateway.config import parse
from tests.e2e.gifted import Gifted
from tests.gateway.providers.scripted import serving as answering
from tests.serving import Served, serving

HANDBOOK = {
    "returns-eu.md": "# EU returns policy\n\n## Window\n\n"
    "Customers in the EU may return goods within 30 days of delivery.\n\n"
    "## Fees\n\nA return from the EU costs 4.90 EUR and is refunded for faulty goods.\n",
    "returns-us.md": "# US returns policy\n\n## Window\n\n"
    "Customers in the US may return goods within 45 days of delivery.\n",
    "winch.md": "# Bollard 40 winch manual\n\n## Errors\n\n"
    "Error E-417 means that the battery is too cold to charge.\n",
}
CONFIG = """
data = "{data}"
[providers.cloud]
kind = "openai-compatible"
base_url = "{upstream}"
api_key = "sk-upstream-secret"
models = [{{ name = "wordy", input_usd_per_million = 1.0, output_usd_per_million = 2.0 }}]
[providers.slow]
kind = "openai-compatible"
base_url = "{slow}"
models = [{{ name = "thinker" }}]
[providers.gifted]
kind = "openai-compatible"
base_url = "{gifted}"
models = [{{ name = "gifted" }}]
embeddings = [
  {{ name = "vectors", batch = 3, input_usd_per_million = 1.0 }},
  {{ name = "patient" }},
]
[providers.sim]
kind = "simulated"
cite = true
words = 12
[providers.echo]
kind = "simulated"
answer = "echo"
[providers.broken]
kind = "simulated"
fault = "cut"
fault_after = 2
[providers.down]
kind = "simulated"
fault = "error"
[models.sturdy]
use = ["down/simulated", "sim/simulated"]
[routing]
default = ["extractive/extractive"]
[dispatch]
first_wait = 0.0
"""


@dataclass(frozen=True, slots=True)
class World:
    """The gateway under test, and the upstream behind it."""

    served: Served
    upstream: Upstream  # talks for 0.6 s
    slow: Upstream  # thinks for a minute
    gifted: Gifted  # calls tools and thinks aloud

    @property
    def url(self) -> str:
        return self.served.url

    @property
    def api(self) -> str:
        return f"{self.served.url}/v1"


@contextmanager
def background() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread, for the servers that the gateway calls."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def upstream(behaviour: Behaviour, loop: asyncio.AbstractEventLoop) -> Iterator[Upstream]:
    """An OpenAI-compatible server on loopback."""
    server = Upstream(behaviour)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)


@contextmanager
def clever(model: Gifted, loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """The gifted model on loopback; its base URL."""
    server = answering(model)
    port = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Served once for all tests that only ask; its documents are ingested through the gateway."""
    talking = Behaviour(chunks=60, chunk_delay=0.01, key="sk-upstream-secret")
    model = Gifted()
    with (
        background() as loop,
        upstream(talking, loop) as cloud,
        upstream(Behaviour(delay=60), loop) as slow,
        clever(model, loop) as gifted,
    ):
        data = tmp_path_factory.mktemp("data")
        urls = {"upstream": cloud.url, "slow": slow.url, "gifted": gifted}
        config = parse(CONFIG.format(data=data, **urls))
        with serving(config, control_token="for-tests") as served:
            ingest(served, written(tmp_path_factory.mktemp("documents"), HANDBOOK), "default")
            yield World(served, cloud, slow, model)


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ingest(served: Served, folder: Path, collection: str) -> None:
    """Hand a folder over as `moorline ingest` does while a gateway runs."""
    body = {"targets": [str(folder)], "collection": collection, "prune": True}
    response = httpx.post(
        f"{served.url}/control/ingest",
        json=body,
        headers={"Authorization": "Bearer for-tests"},
        timeout=120,
    )
    assert response.status_code == 200, response.text
