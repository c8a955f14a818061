"""A small world for tests of a fleet: imitated engines, a register of adapters, and the provider
over them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from context.types import Prompt
from eval.bench.engine.core import Flags, Pace
from eval.bench.engine.server import Engine as Server
from gateway.fleet.config import LoraConfig
from gateway.fleet.fleets import Fleets
from gateway.fleet.keeper import Keeper
from gateway.fleet.provider import Fleet
from gateway.fleet.types import Served
from gateway.providers.base import Call
from gateway.providers.config import ModelConfig, VllmProvider
from gateway.providers.wire.client import Client
from gateway.types import Completion, Delta, Event
from routing.config import BreakerConfig
from routing.placement.types import Priority, Replica

PROVIDER = "gpu"
LORA = LoraConfig(slots=2, cpu_slots=4, load_tries=1, max_wait=5)


def write(folder: Path, **config: Any) -> Path:
    """An adapter's files, as far as an imitated engine looks at them."""
    folder.mkdir(parents=True)
    plain = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(plain | config))
    (folder / "adapter_model.safetensors").write_bytes(folder.name.encode())
    return folder


class Register:
    """Adapters by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._served: dict[str, Served] = {}
        self._removed: set[str] = set()

    def add(
        self, name: str, priority: Priority = "medium", tenant: str = "", **config: Any
    ) -> Served:
        """Its folder is made; a name that is known gets another one."""
        path = write(self._folder / f"{name}-{len(list(self._folder.iterdir()))}", **config)
        self._served[name] = Served(name, str(path), priority, tenant)
        return self._served[name]

    def empty(self, name: str) -> None:
        """Its files are gone, its folder is there."""
        for file in Path(self._served[name].path or "").iterdir():
            file.unlink()

    def spoil(self, name: str) -> None:
        """Its configuration is none."""
        (Path(self._served[name].path or "") / "adapter_config.json").write_text("<html>")

    def remove(self, name: str) -> None:
        del self._served[name]
        self._removed.add(name)

    def served(self, provider: str, name: str) -> Served | None:
        return self._served.get(name) if provider == PROVIDER else None

    def removed(self, provider: str, name: str) -> bool:
        return provider == PROVIDER and name in self._removed

    def pinned(self, provider: str) -> Sequence[Served]:
        return [each for each in self._served.values() if each.priority == "critical"]


class World:
    """Engines, and a gateway's view of them."""

    def __init__(self, servers: list[Server], register: Register, client: Client) -> None:
        self.servers = servers
        self.register = register
        self.client = client
        self.fleets = Fleets()
        self.fleet = self.over(servers)

    def over(self, servers: Sequence[Server], lora: LoraConfig | None = LORA, **more: Any) -> Fleet:
        """A provider over some of them, as a configuration makes it."""
        config = VllmProvider(
            kind="vllm",
            base_url=tuple(each.url for each in servers),
            models=(ModelConfig(name="base"),),
            lora=lora,
            **more,
        )
        kept = self.fleets.of(PROVIDER)
        fleet = Fleet(PROVIDER, config, self.client, kept, self.register, BreakerConfig())
        fleet.take_over()
        return fleet

    def serve(self) -> None:
        """The provider's configuration comes into force."""
        self.fleets.follow({PROVIDER: self.fleet})

    def server(self, replica: str) -> Server:
        return next(each for each in self.servers if each.url == replica)

    def replica(self, server: Server) -> Replica:
        return next(each for each in self.fleet.replicas if each.name == server.url)

    async def say(self, model: str, text: str = "Hello.", **more: Any) -> tuple[str, Call]:
        """A question's whole answer, and the call that it took."""
        made = call(model, text, **more)
        events = await self.fleet.start(made)
        return "".join([told(event) async for event in events]), made

    async def look(self, keeper: Keeper | None = None) -> None:
        """What is done in the background every few seconds."""
        keeper = keeper or Keeper(self.fleet)
        await asyncio.gather(*map(keeper.look, self.fleet.replicas))

    @property
    def idle(self) -> bool:
        """Nothing is under way, by the view and in the engines."""
        mirrors = all(not (r.in_flight or r.under_way or r.unread) for r in self.fleet.replicas)
        return mirrors and not self.fleet.places.waiting

    def loads(self) -> list[str]:
        """Adapters that were asked to be loaded, on all engines."""
        asked = [each for server in self.servers for each in server.asked]
        return [name for path, name in asked if path == "/v1/load_lora_adapter"]


def call(model: str, text: str = "Hello.", *, stream: bool = False, tokens: int = 4) -> Call:
    prompt = Prompt(({"role": "user", "content": text},))
    return Call(model, prompt, stream, {"max_tokens": tokens})


def told(event: Event) -> str:
    match event:
        case Delta():
            return event.text
        case Completion():
            return str(event.body["choices"][0]["message"]["content"])
    return ""


@asynccontextmanager
async def world(
    folder: Path,
    replicas: int = 1,
    flags: Flags | None = None,
    pace: Pace | None = None,
    **options: Any,
) -> AsyncIterator[World]:
    """Engines that run for as long as the block does."""
    client = Client()
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(Server(flags=flags, pace=pace or Pace(), **options))
            for _ in range(replicas)
        ]
        made = World(servers, Register(folder), client)
        stack.push_async_callback(client.aclose)
        stack.push_async_callback(made.fleets.aclose)
        yield made
