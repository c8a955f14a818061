"""A server that imitates what vLLM does with LoRA adapters, over HTTP and without a GPU.

`python -m eval.bench.engine.server --port N --max-loras 2`, or `async with Engine(...)` in a test.
Statuses, messages and the order of evictions are vLLM 0.32's (tests/contracts/test_lora_engine.py
runs the same cases against both); words and times are made up. An adapter's answers depend on its
weights and the prompt alone. GET /imitation tells what no vLLM tells: who is in which tier.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import click
import orjson
from aiohttp import web

from eval.bench.engine.adapters import Lora, NoAdapter
from eval.bench.engine.core import Core, EngineDead, Flags, Pace, Sequence

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

INVALID, MISSING, BROKEN = "InvalidUserInput", "NotFoundError", "InternalServerError"
WRAPPED = (
    "Call to add_lora method failed: Worker failed with error '{}', please check the stack trace "
    "above for the root cause"
)
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 20.00 MiB."
ANSWER_TOKENS = 16
GOES_AFTER = 0.02  # seconds


@dataclass(slots=True)
class Refusal:
    """What is answered in place of the real thing."""

    status: int = 500
    message: str = OUT_OF_MEMORY
    times: int | None = None  # how often; None is always
    name: str = ""  # of the adapter or model that it befalls; "" is any

    def befalls(self, name: str) -> bool:
        """Whether it is this one's turn; counted down."""
        if self.name not in ("", name) or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class Faults:
    """What goes wrong. May be changed while it runs."""

    loads: list[Refusal] = field(default_factory=list)
    answers: list[Refusal] = field(default_factory=list)


class Refused(Exception):
    """An error body of vLLM's."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        error = {"message": message, "type": kind, "param": param, "code": status}
        super().__init__(message)
        self.status = status
        self.body = {"error": error}


class Engine:
    """A listening server with one engine behind it."""

    def __init__(
        self,
        base: str = "base",
        flags: Flags | None = None,
        *,
        pace: Pace | None = None,
        key: str | None = None,
        updating: bool = True,  # VLLM_ALLOW_RUNTIME_LORA_UPDATING
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.base = base
        self._flags = flags or Flags()
        self.core = Core(self._flags, pace or Pace())
        self.faults = Faults()
        self.names: dict[str, Lora] = {}  # that requests may use
        self.asked: list[tuple[str, str]] = []  # every (path, name) of a model that ever came
        self._key = key
        self._updating = updating
        self._host = host
        self._port = port
        self._numbers = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self._lora_info: dict[str, float] = {}  # labels → when they held last
        self._stack = AsyncExitStack()
        self.gone = asyncio.Event()  # it died, and listens no more

    @property
    def url(self) -> str:
        """Base URL that ends in /v1."""
        return f"http://{self._host}:{self._port}/v1"

    async def __aenter__(self) -> Engine:
        app = web.Application(middlewares=[self._guarded], client_max_size=64 << 20)
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
                web.get("/imitation", self._told),
                web.put("/imitation", self._changed),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/completions", self._completion),
            ]
        )
        if self._updating:
            app.router.add_post("/v1/load_lora_adapter", self._load)
            app.router.add_post("/v1/unload_lora_adapter", self._unload)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, self._port).start()
        self._port = runner.addresses[0][1]
        for work in (self.core.run(), self._go_when_dead(runner)):
            self._stack.callback(asyncio.create_task(work).cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.core.die()
        await self._stack.aclose()

    async def _go_when_dead(self, runner: web.AppRunner) -> None:
        """vLLM's server ends with its engine, once it has told who was waiting."""
        await self.core.dead.wait()
        await asyncio.sleep(GOES_AFTER)
        await runner.cleanup()
        self.gone.set()

    @property
    def gpu(self) -> list[str]:
        """Names in slots, the one used longest ago first."""
        return [lora.name for lora in self.core.memory.gpu.values()]

    @property
    def cpu(self) -> list[str]:
        """Names in memory, those in slots included."""
        return [lora.name for lora in self.core.memory.cpu.values()]

    # --- the wire ------------------------------------------------------------------------------

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("authorization")
        if self._key and request.path.startswith("/v1") and given != f"Bearer {self._key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        try:
            return await handler(request)
        except Refused as refused:
            return web.json_response(refused.body, status=refused.status)
        except EngineDead as error:
            return web.json_response(Refused(500, BROKEN, str(error)).body, status=500)

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=503 if self.core.dead.is_set() else 200)

    async def _models(self, request: web.Request) -> web.Response:
        cards = [self._card(self.base, self.base, None)]
        cards += [self._card(lora.name, lora.path, self.base) for lora in self.names.values()]
        return web.json_response({"object": "list", "data": cards})

    def _card(self, name: str, root: str, parent: str | None) -> dict[str, Any]:
        longest = None if parent else self._flags.max_model_len
        return {
            "id": name,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "vllm",
            "root": root,
            "parent": parent,
            "max_model_len": longest,
        }

    async def _load(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        name, path = body.get("lora_name"), body.get("lora_path")
        if not name or not path:
            raise Refused(400, INVALID, "Both 'lora_name' and 'lora_path' must be provided.")
        self.asked.append((request.path, name))
        async with self._locks.setdefault(name, asyncio.Lock()):
            await self._loaded(name, path, bool(body.get("load_inplace")))
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _loaded(self, name: str, path: str, inplace: bool) -> None:
        if name == self.base:
            told = f"The lora adapter '{name}' conflicts with a served base model."
            raise Refused(400, INVALID, told)
        if name in self.names and not inplace:
            raise Refused(
                400,
                INVALID,
                f"The lora adapter '{name}' has already been loaded. If you want to load the "
                "adapter in place, set 'load_inplace' to True.",
            )
        if name in self.names:
            lora = Lora(self.names[name].number, name, path, inplace)
        else:
            self._numbers += 1
            lora = Lora(self._numbers, name, path, inplace)
        for fault in self.faults.loads:
            if fault.befalls(name):
                raise Refused(fault.status, BROKEN, WRAPPED.format(fault.message))
        try:
            await self.core.add(lora)
        except NoAdapter as error:
            raise Refused(404, MISSING, str(error)) from None
        except Exception as error:
            raise Refused(500, BROKEN, WRAPPED.format(error)) from None
        self.names[name] = lora

    async def _unload(self, request: web.Request) -> web.Response:
        name = orjson.loads(await request.read()).get("lora_name")
        if not name:
            told = "'lora_name' needs to be provided to unload a LoRA adapter."
            raise Refused(400, INVALID, told)
        self.asked.append((request.path, name))
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self.names:
                raise Refused(404, MISSING, f"The lora adapter '{name}' cannot be found.")
            del self.names[name]  # and nothing else: where it is it stays
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        prompt = orjson.dumps([each.get("content") for each in body["messages"]]).decode()
        longest = body.get("max_completion_tokens") or body.get("max_tokens")
        return await self._answered(request, body, prompt, longest, _chat_choice)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        prompt = orjson.dumps(body["prompt"]).decode()
        return await self._answered(request, body, prompt, body.get("max_tokens"), _text_choice)

    async def _answered(
        self,
        request: web.Request,
        body: Mapping[str, Any],
        prompt: str,
        longest: int | None,
        choice: Callable[[str, str | None, bool], dict[str, Any]],
    ) -> web.StreamResponse:
        name = body.get("model") or self.base
        sequence = self._sequence(request.path, name, prompt, longest or ANSWER_TOKENS)
        finish = "length" if longest else "stop"
        kind = "chat.completion" if choice is _chat_choice else "text_completion"
        head = {
            "id": f"cmpl-{hashlib.sha256(prompt.encode()).hexdigest()[:24]}",
            "object": kind,
            "created": int(time.time()),
            "model": name,
        }
        async with aclosing(self.core.said(sequence)) as said:
            if not body.get("stream"):
                text = "".join([word async for word in said])
                whole = {
                    **head,
                    "choices": [choice(text, finish, False)],
                    "usage": _usage(sequence),
                }
                return web.json_response(whole)
            if choice is _chat_choice:
                head["object"] = "chat.completion.chunk"
            return await self._streamed(request, body, sequence, said, head, choice, finish)

    async def _streamed(
        self,
        request: web.Request,
        body: Mapping[str, Any],
        sequence: Sequence,
        said: AsyncGenerator[str, None],
        head: dict[str, Any],
        choice: Callable[[str, str | None, bool], dict[str, Any]],
        finish: str,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)

        async def send(event: dict[str, Any]) -> None:
            await response.write(b"data: " + orjson.dumps(event) + b"\n\n")

        try:
            async for word in said:
                await send({**head, "choices": [choice(word, None, True)]})
            await send({**head, "choices": [choice("", finish, True)]})
        except EngineDead as error:  # the status is told already: an event says it
            await send(Refused(500, BROKEN, str(error)).body)
        else:
            if (body.get("stream_options") or {}).get("include_usage"):
                await send({**head, "choices": [], "usage": _usage(sequence)})
        await response.write(b"data: [DONE]\n\n")
        return response

    def _sequence(self, path: str, name: str, prompt: str, longest: int) -> Sequence:
        self.asked.append((path, name))
        lora = self.names.get(name)
        if lora is None and name != self.base:
            told = f"The model `{name}` does not exist. Valid aliases: {self.base}."
            raise Refused(404, MISSING, told, "model")
        for fault in self.faults.answers:
            if fault.befalls(name):
                raise Refused(fault.status, BROKEN, fault.message)
        return Sequence(lora, prompt, max(1, len(prompt) // 4), longest)

    # --- what is seen from outside -------------------------------------------------------------

    async def _metrics(self, request: web.Request) -> web.Response:
        waiting, running = self.core.waiting, self.core.running
        names = {each.lora.name for each in (*waiting, *running) if each.lora}
        # vLLM writes every adapter that has requests into both labels.
        both = ",".join(sorted(names))
        labels = f'max_lora="{self._flags.max_loras}",running_lora_adapters="{both}"'
        labels += f',waiting_lora_adapters="{both}"'
        self._lora_info[labels] = time.time()  # series of the past stay
        lines = [
            "# TYPE vllm:num_requests_running gauge",
            f'vllm:num_requests_running{{engine="0",model_name="{self.base}"}} {len(running)}.0',
            "# TYPE vllm:num_requests_waiting gauge",
            f'vllm:num_requests_waiting{{engine="0",model_name="{self.base}"}} {len(waiting)}.0',
            "# TYPE vllm:lora_requests_info gauge",
            *(f"vllm:lora_requests_info{{{each}}} {at}" for each, at in self._lora_info.items()),
        ]
        return web.Response(text="\n".join(lines) + "\n")

    def state(self) -> dict[str, Any]:
        """All that there is to know."""
        return {
            "gpu": self.gpu,
            "cpu": self.cpu,
            "names": {name: lora.path for name, lora in self.names.items()},
            "brought": self.core.brought,
            "asked": self.asked,
            "running": [each.lora.name if each.lora else self.base for each in self.core.running],
            "waiting": [each.lora.name if each.lora else self.base for each in self.core.waiting],
            "pace": asdict(self.core.pace),
            "faults": asdict(self.faults),
            "dead": self.core.dead.is_set(),
        }

    async def _told(self, request: web.Request) -> web.Response:
        return web.json_response(self.state())

    async def _changed(self, request: web.Request) -> web.Response:
        """`{"pace": {...}, "faults": {"loads": [...], "answers": [...]}, "dead": true}`"""
        wish = orjson.loads(await request.read())
        if pace := wish.get("pace"):
            self.core.pace = Pace(**pace)
        if faults := wish.get("faults"):
            self.faults = Faults(
                **{name: [Refusal(**each) for each in given] for name, given in faults.items()}
            )
        if wish.get("dead"):
            self.core.die()
        return web.json_response(self.state())


def _chat_choice(text: str, finish: str | None, stream: bool) -> dict[str, Any]:
    said = {"role": "assistant", "content": text}
    key = "delta" if stream else "message"
    return {"index": 0, key: said, "logprobs": None, "finish_reason": finish}


def _text_choice(text: str, finish: str | None, stream: bool) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}


def _usage(sequence: Sequence) -> dict[str, int]:
    total = sequence.prompt_tokens + sequence.said
    return {
        "prompt_tokens": sequence.prompt_tokens,
        "completion_tokens": sequence.said,
        "total_tokens": total,
    }


async def _serve(engine: Engine) -> None:
    async with engine:
        click.echo(f"ready {engine.url}")
        await asyncio.Event().wait()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; it is printed.")
@click.option("--base", default="base", show_default=True, help="Name of the base model.")
@click.option("--max-loras", default=2, show_default=True)
@click.option("--max-cpu-loras", default=4, show_default=True)
@click.option("--max-lora-rank", default=16, show_default=True)
@click.option("--step-ms", default=0.0, help="A step of the engine, a token of every answer.")
@click.option("--cpu-ms", default=0.0, help="From memory into a slot.")
@click.option("--disk-ms", default=0.0, help="Reading an adapter, besides.")
@click.option("--key", default=None, help="Bearer token that is wanted.")
def main(
    host: str,
    port: int,
    base: str,
    max_loras: int,
    max_cpu_loras: int,
    max_lora_rank: int,
    step_ms: float,
    cpu_ms: float,
    disk_ms: float,
    key: str | None,
) -> None:
    """A server that imitates what vLLM does with LoRA adapters."""
    flags = Flags(max_loras=max_loras, max_cpu_loras=max_cpu_loras, max_lora_rank=max_lora_rank)
    pace = Pace(step=step_ms / 1000, cpu=cpu_ms / 1000, disk=disk_ms / 1000)
    asyncio.run(_serve(Engine(base, flags, pace=pace, key=key, host=host, port=port)))


if __name__ == "__main__":
    main()
