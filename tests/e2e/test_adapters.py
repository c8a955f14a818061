"""LoRA adapters from the register to the official client: over an imitation of vLLM, and over a
real one where MOORLINE_VLLM_PYTHON names a Python that has it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from eval.bench.engine.core import Flags
from eval.bench.engine.server import Engine
from gateway.adapters.content import digest
from gateway.adapters.shelf import Shelf
from gateway.adapters.store import Draft
from gateway.adapters.types import Adapter, Facts
from gateway.config import parse
from gateway.pipeline import Gateway
from routing.placement.types import Priority
from tests.e2e.conftest import background
from tests.servers import vllm_server
from tests.serving import Served, serving
from tests.tiny import write_adapter, write_model

SLOTS, CPU_SLOTS = 2, 3
PATIENCE = 20.0  # seconds
QUESTION: list[Any] = [{"role": "user", "content": "Where is my parcel?"}]
SEEDS = itertools.count(1)
CONFIG = """
data = {data}
[grounding]
mode = "off"
[providers.gpu]
kind = "vllm"
base_url = "{engine}"
models = [{{ name = "base", window = 1024, max_output = 64 }}]
lora = {{ slots = {slots}, cpu_slots = {cpu_slots} }}
[routing]
default = ["gpu/base"]
"""


class Fleet:
    """A gateway before one engine, and the adapters that a test registers."""

    def __init__(self, served: Served, engine: str, folder: Path) -> None:
        self.url = served.url
        self.client = OpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0, timeout=60)
        self._gateway: Callable[[], Gateway] = lambda: served.app.state.gateway
        self._engine = engine
        self._shelf = Shelf(folder)

    def add(self, name: str, priority: Priority = "medium", *, live: bool = False) -> Adapter:
        """One more revision; its weights are like no other's."""
        with self._shelf.room() as room:
            room.rmdir()
            write_adapter(room, next(SEEDS))
            content = digest(room)
            self._shelf.put(room, content)
        facts = Facts("base", 8, 32.0, ("q_proj", "v_proj"), "F32", 1 << 16, content)
        adapters = self._gateway().adapters
        added = adapters.store.add(Draft("", name, "gpu", "made", facts, priority), live=live)
        adapters.refresh()
        return added

    def remove(self, name: str) -> None:
        adapters = self._gateway().adapters
        adapters.store.remove("", name)
        adapters.refresh()

    def rewrite(self, adapter: Adapter) -> None:
        """Other weights in an adapter's folder: who reads it again speaks otherwise."""
        place = self._shelf.path(adapter.facts.digest)
        place.chmod(0o755)
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        write_adapter(place, next(SEEDS))

    def ask(self, model: str, **options: Any) -> str:
        answer = self.client.chat.completions.create(
            model=model,
            messages=QUESTION,
            max_tokens=8,
            temperature=0,
            extra_body={"moorline": {"cache": False}},
            **options,
        )
        return answer.choices[0].message.content or ""

    def loaded(self) -> list[str]:
        """What the engine has a name for."""
        cards = httpx.get(f"{self._engine}/models").json()["data"]
        return [card["id"] for card in cards]


@contextmanager
def imitation() -> Iterator[str]:
    server = Engine(flags=Flags(max_loras=SLOTS, max_cpu_loras=CPU_SLOTS))
    with background() as loop:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        yield server.url
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)


@contextmanager
def real(folder: Path) -> Iterator[str]:
    flags = ["--enable-lora", "--max-loras", str(SLOTS), "--max-cpu-loras", str(CPU_SLOTS)]
    with vllm_server(write_model(folder), flags) as url:
        yield url


@pytest.fixture(scope="module", params=["imitation", pytest.param("vllm", marks=pytest.mark.vllm)])
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        engine = stack.enter_context(
            real(folder / "model") if request.param == "vllm" else imitation()
        )
        config = CONFIG.format(
            data=json.dumps(str(folder)), engine=engine, slots=SLOTS, cpu_slots=CPU_SLOTS
        )
        served = stack.enter_context(serving(parse(config)))
        yield Fleet(served, engine, folder / "adapters")


def until(condition: Callable[[], bool]) -> None:
    """Wait for what the gateway does on its own."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def test_each_adapter_answers_in_its_own_way_and_always_the_same(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two")
    said = [fleet.ask(name) for name in ("base", "one", "two")]
    assert len(set(said)) == 3
    assert said == [fleet.ask(name) for name in ("base", "one", "two")]


def test_a_stream_tells_the_same_as_the_whole_answer(fleet: Fleet) -> None:
    fleet.add("streamed")
    chunks = fleet.client.chat.completions.create(
        model="streamed", messages=QUESTION, max_tokens=8, temperature=0, stream=True,
        extra_body={"moorline": {"cache": False}},
    )  # fmt: skip
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert told == fleet.ask("streamed")


def test_more_adapters_than_fit_are_brought_and_pushed_out_as_they_are_asked(fleet: Fleet) -> None:
    names = [f"many-{n}" for n in range(2 * CPU_SLOTS)]
    for name in names:
        fleet.add(name)
    said = [fleet.ask(name) for name in names]
    assert len(set(said)) == len(names)
    assert said == [fleet.ask(name) for name in names]


def test_a_promoted_revision_speaks_for_the_name_and_the_old_one_for_its_number(
    fleet: Fleet,
) -> None:
    fleet.add("promoted")
    before = fleet.ask("promoted")
    fleet.add("promoted", live=True)
    after = fleet.ask("promoted")
    assert before != after
    assert (fleet.ask("promoted@1"), fleet.ask("promoted@2")) == (before, after)


def test_a_critical_adapter_is_loaded_unasked_and_stays(fleet: Fleet) -> None:
    pinned = fleet.add("pinned", "critical")
    until(lambda: pinned.served_as in fleet.loaded())
    before = fleet.ask("pinned")
    fleet.rewrite(pinned)
    for n in range(2 * CPU_SLOTS):
        fleet.add(f"passing-{n}")
        fleet.ask(f"passing-{n}")
    assert fleet.ask("pinned") == before
    fleet.remove("pinned")


def test_an_adapter_that_is_removed_is_unknown_to_callers_and_soon_to_engines(
    fleet: Fleet,
) -> None:
    removed = fleet.add("removed")
    fleet.ask("removed")
    fleet.remove("removed")
    with pytest.raises(openai.NotFoundError):
        fleet.ask("removed")
    until(lambda: removed.served_as not in fleet.loaded())


def test_an_adapter_may_be_named_beside_its_model(fleet: Fleet) -> None:
    fleet.add("beside")
    answer = fleet.client.chat.completions.create(
        model="base", messages=QUESTION, max_tokens=8, temperature=0,
        extra_body={"adapter_id": "beside", "moorline": {"cache": False}},
    )  # fmt: skip
    assert answer.choices[0].message.content == fleet.ask("beside")


def test_loraxs_door_asks_the_same_adapters(fleet: Fleet) -> None:
    fleet.add("lorax")
    body = {
        "inputs": QUESTION[0]["content"],
        "parameters": {"adapter_id": "lorax", "max_new_tokens": 8},
        "moorline": {"cache": False},
    }
    answer = httpx.post(f"{fleet.url}/lorax", json=body, timeout=60)
    assert answer.json()[0]["generated_text"] == fleet.ask("lorax")
    assert answer.headers["x-adapter-id"] == "lorax"


def test_an_unknown_name_is_told_as_such(fleet: Fleet) -> None:
    with pytest.raises(openai.NotFoundError):
        fleet.ask("../../etc")
